import * as Command from "effect/cli/Command"
import * as Admin from "../../Admin.ts"
import { changeSelected, selectionFlagsWithStatus } from "./changeSelected.ts"

export const cancel = Command.make(
  "cancel",
  selectionFlagsWithStatus,
  changeSelected({ verb: "Cancel", done: "Cancelled", touches: undefined, asksAlways: true, run: Admin.cancel })
).pipe(
  Command.withDescription("Delete tasks for good; a running one is interrupted"),
  Command.withExamples([
    { command: "pg-task cancel 5d0bb27f", description: "One task" },
    { command: "pg-task cancel --task Greeter --status parked --dry-run", description: "Which would that be?" }
  ])
)
