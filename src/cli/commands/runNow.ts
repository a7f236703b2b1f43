import * as Command from "effect/cli/Command"
import * as Admin from "../../Admin.ts"
import { changeSelected, selectionFlags } from "./changeSelected.ts"

export const runNow = Command.make(
  "run-now",
  selectionFlags,
  changeSelected({ verb: "Run", done: "Due now:", touches: "scheduled", asksAlways: false, run: Admin.runNow })
).pipe(
  Command.withDescription("Make scheduled tasks due at once"),
  Command.withExamples([
    { command: "pg-task run-now 5d0bb27f", description: "One task" },
    { command: "pg-task run-now --task Greeter --step SayHello", description: "All in one state" }
  ])
)
