/** What the next deploy makes of the tasks in Greeter.ts: a state was renamed, and another dropped. */
import { Effect, Schema } from "effect"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { ReadName } from "./Greeter.ts"

export class Read extends Schema.TaggedClass<Read>()("Read", { path: Schema.String.check(Schema.isMinLength(1)) }) {}

export const Greeter = Task.make("Greeter", [
  Step.make(Read, {
    from: [
      Step.former(
        ReadName,
        ({ filename }) =>
          filename === "broken" ? Effect.die(new Error("no such file")) : Effect.succeed(new Read({ path: filename }))
      ),
      Step.former(Schema.TaggedStruct("Unused", {}), () => new Read({ path: "unused" }))
    ],
    handler: () => Effect.succeed(NextStep.none)
  })
])
