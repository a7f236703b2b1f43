import * as Command from "effect/cli/Command"
import * as Admin from "../../Admin.ts"
import { changeSelected, selectionFlags } from "./changeSelected.ts"

export const retry = Command.make(
  "retry",
  selectionFlags,
  changeSelected({ verb: "Retry", done: "Retried", touches: "parked", asksAlways: false, run: Admin.retry })
).pipe(
  Command.withDescription("Let parked tasks go on from the step where they stopped, counting its tries from 1 again"),
  Command.withExamples([
    { command: "pg-task retry 5d0bb27f", description: "One task" },
    { command: "pg-task retry --task Greeter --error 'connect*timeout'", description: "All of a kind" },
    { command: "pg-task retry --all --newer-than 2h --yes", description: "All that an outage parked, without asking" }
  ])
)
