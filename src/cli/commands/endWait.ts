import * as Command from "effect/cli/Command"
import * as Admin from "../../Admin.ts"
import { changeSelected, selectionFlags } from "./changeSelected.ts"

export const endWait = Command.make(
  "end-wait",
  selectionFlags,
  changeSelected({
    verb: "End the wait of",
    done: "Ended the wait of",
    touches: "waiting",
    asksAlways: false,
    run: Admin.endWait
  })
).pipe(
  Command.withDescription("Let the time of waiting tasks be over: they do what their state does on its timeout"),
  Command.withExamples([
    { command: "pg-task end-wait 5d0bb27f", description: "One task" },
    { command: "pg-task end-wait --task Order --step AwaitApproval", description: "All in one state" }
  ])
)
