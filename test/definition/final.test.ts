import { assert, describe, it } from "@effect/vitest"
import { Duration, Schema } from "effect"
import { Step, Task, TaskError } from "../../src/index.ts"

class Sum extends Schema.TaggedClass<Sum>()("Sum", { sum: Schema.Number }) {}

const messageOf = (make: () => unknown): string => {
  try {
    make()
  } catch (error) {
    assert.instanceOf(error, TaskError.TaskDefinitionError)
    return error.message
  }
  return assert.fail("nothing was thrown")
}

/** Callers in plain JavaScript may hand over anything. */
const final = Step.final as unknown as (...args: ReadonlyArray<unknown>) => unknown

describe("Step.final", () => {
  it("is a step that moves nowhere, and is kept for an hour or as its options say", () => {
    const step = Step.final(Sum)
    assert.isTrue(Step.isStep(step))
    assert.strictEqual(step.tag, "Sum")
    assert.isTrue(step.final)
    assert.deepStrictEqual(step.next, [])
    assert.strictEqual(Duration.toMillis(step.keep), 3_600_000)
    assert.strictEqual(Duration.toMillis(Step.final(Sum, { keep: "7 days" }).keep), 7 * 86_400_000)
    assert.isFalse(Duration.isFinite(Step.final(Sum, { keep: Duration.infinity }).keep))
  })

  const cases: Record<string, readonly [make: () => unknown, message: string]> = {
    "a duration that is none": [
      () => final(Sum, { keep: "for ever" }),
      "Final state \"Sum\": `keep` must be a duration of 0 or more, such as \"7 days\""
    ],
    "a negative duration": [
      () => final(Sum, { keep: Duration.millis(-1) }),
      "Final state \"Sum\": `keep` must be a duration of 0 or more, such as \"7 days\""
    ],
    "a duration in place of the options": [
      () => final(Sum, "7 days"),
      "Final state \"Sum\": its options must be an object, such as { keep: \"7 days\" }"
    ],
    "a task without any other state": [
      () => (Task.make as unknown as (...args: ReadonlyArray<unknown>) => unknown)("Sums", [Step.final(Sum)]),
      "Task \"Sums\": a task needs a step that is not final"
    ]
  }
  for (const [title, [make, message]] of Object.entries(cases)) {
    it(`refuses ${title}`, () => assert.strictEqual(messageOf(make), message))
  }
})
