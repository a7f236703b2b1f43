import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schema } from "effect"
import { TaskId } from "../../src/index.ts"

const decode = (text: unknown) => Effect.exit(Schema.decodeUnknownEffect(TaskId.TaskId)(text))

describe("TaskId", () => {
  it.effect("is a UUID in lower case, of any version", () =>
    Effect.gen(function*() {
      for (
        const text of [
          "018f4e1e-5d0c-7000-8000-000000000000",
          "00000000-0000-0000-0000-000000000000",
          "ffffffff-ffff-ffff-ffff-ffffffffffff"
        ]
      ) assert.deepStrictEqual(yield* decode(text), Exit.succeed(text as TaskId.TaskId))
    }))

  it.effect("is nothing else", () =>
    Effect.gen(function*() {
      for (
        const text of [
          "",
          "1",
          1,
          null,
          "018F4E1E-5D0C-7000-8000-000000000000",
          "{018f4e1e-5d0c-7000-8000-000000000000}",
          "018f4e1e5d0c70008000000000000000",
          "018f4e1e-5d0c-7000-8000-000000000000\n",
          "x018f4e1e-5d0c-7000-8000-000000000000"
        ]
      ) assert.isTrue(Exit.isFailure(yield* decode(text)), String(text))
    }))
})
