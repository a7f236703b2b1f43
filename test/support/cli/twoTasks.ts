/** A module of two tasks for `pg-task --module`, with a state in common. */
import { Effect } from "effect"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { ReadName } from "./Greeter.ts"

export { Greeter } from "./Greeter.ts"

export const Reader = Task.make("Reader <&>", [
  Step.make(ReadName, { next: [ReadName], handler: () => Effect.succeed(NextStep.none) })
])
