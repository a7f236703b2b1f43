import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Schedule, Schema } from "effect"
import { NextStep, Step, Task, TaskError } from "../../src/index.ts"

class ReadName extends Schema.TaggedClass<ReadName>()("ReadName", { filename: Schema.String }) {}
const SayHello = Schema.TaggedStruct("SayHello", { name: Schema.String })

const handler = () => Effect.succeed(NextStep.none)

/** Callers in plain JavaScript may hand over anything. */
const makeUntyped = Step.make as unknown as (...args: ReadonlyArray<unknown>) => Step.Any

/** The message of the `TaskDefinitionError` that this throws. */
const messageOf = (make: () => unknown): string => {
  try {
    make()
  } catch (error) {
    assert.instanceOf(error, TaskError.TaskDefinitionError)
    return error.message
  }
  return assert.fail("nothing was thrown")
}

describe("Step.make", () => {
  it("keeps what it was given, with the defaults of what it wasn't", () => {
    const step = Step.make(ReadName, { next: [SayHello], handler })
    assert.strictEqual(step.tag, "ReadName")
    assert.strictEqual(step.state, ReadName)
    assert.deepStrictEqual(step.next, [SayHello])
    assert.strictEqual(step.retryLimit, 0)
    assert.strictEqual(Duration.toMillis(step.retryDelay!), 1000)
    assert.isFalse(step.transactional)
    assert.isFalse(step.asyncCommit)
    assert.deepStrictEqual(Step.make(SayHello, { handler }).next, [])
  })

  it("keeps RETRY_LIMIT and RETRY_DELAY, unless a schedule rules", () => {
    const step = Step.make(ReadName, { retryLimit: 5, retryDelay: "1 minute", transactional: true, handler })
    assert.strictEqual(step.retryLimit, 5)
    assert.strictEqual(Duration.toMillis(step.retryDelay!), 60_000)
    assert.isTrue(step.transactional)
    const scheduled = Step.make(ReadName, { retry: Schedule.exponential("1 second"), handler })
    assert.isTrue(Step.make(ReadName, { asyncCommit: true, handler }).asyncCommit)
    assert.isUndefined(scheduled.retryLimit)
    assert.isUndefined(scheduled.retryDelay)
    assert.strictEqual(Step.make(ReadName, { retryLimit: Infinity, handler }).retryLimit, Infinity)
  })

  it("takes every schema whose stored `_tag` is a literal", () => {
    class Failed extends Schema.TaggedError<Failed>()("Failed", { reason: Schema.String }) {}
    const Struct = Schema.Struct({ _tag: Schema.tag("Struct"), a: Schema.Number })
    const Literal = Schema.Struct({ _tag: Schema.Literal("Literal") })
    const states = {
      Failed,
      Struct,
      Literal,
      ReadName: ReadName.annotate({ title: "annotated" }),
      SayHello: SayHello.check(Schema.makeFilter(({ name }) => name !== "")),
      Branded: Schema.TaggedStruct("Branded", {}).pipe(Schema.brand("Branded")),
      Renamed: Schema.TaggedStruct("Renamed", { a: Schema.Number }).pipe(Schema.encodeKeys({ a: "b" }))
    }
    for (const [tag, state] of Object.entries(states)) assert.strictEqual(makeUntyped(state, { handler }).tag, tag)
  })

  it("is told from anything else", () => {
    assert.isTrue(Step.isStep(Step.make(ReadName, { handler })))
    const task = Task.make("T", [Step.make(SayHello, { handler })])
    for (const other of [undefined, null, "step", {}, { tag: "A", state: ReadName }, Step, ReadName, task]) {
      assert.isFalse(Step.isStep(other))
    }
  })
})

describe("Step.make refuses, in plain JavaScript", () => {
  const stateMessage = (role: string) =>
    `${role} must be a Schema.TaggedClass or Schema.TaggedStruct (a schema whose \`_tag\` is a string literal)`

  const states: Record<string, unknown> = {
    "no schema": undefined,
    "a name": "ReadName",
    "an instance": new ReadName({ filename: "x" }),
    "a schema without a tag": Schema.Struct({ filename: Schema.String }),
    "a schema of another kind": Schema.String,
    "a tag that is no literal": Schema.Struct({ _tag: Schema.String }),
    "a tag of many values": Schema.Struct({ _tag: Schema.Literals(["A", "B"]) }),
    "a tag that is a number": Schema.Struct({ _tag: Schema.Literal(1) }),
    "a union of states": Schema.Union([ReadName, SayHello]),
    "a class that is no schema": Date
  }

  for (const [name, state] of Object.entries(states)) {
    it(`${name} for a state`, () => {
      assert.strictEqual(messageOf(() => makeUntyped(state, { handler })), stateMessage("The state of a step"))
      const message = messageOf(() => makeUntyped(ReadName, { handler, next: [SayHello, state] }))
      assert.strictEqual(message, stateMessage(`Each \`next\` of step "ReadName"`))
    })
  }

  const options: ReadonlyArray<readonly [name: string, options: unknown, message: string]> = [
    ["no options", undefined, "`handler` must be a function"],
    ["no handler", {}, "`handler` must be a function"],
    ["an effect for a handler", { handler: Effect.succeed(NextStep.none) }, "`handler` must be a function"],
    ["a `next` that is no array", { handler, next: SayHello }, "`next` must be an array"],
    ["a negative limit", { handler, retryLimit: -1 }, "`retryLimit` must be a whole number of 0 or more, not -1"],
    ["a broken limit", { handler, retryLimit: 1.5 }, "`retryLimit` must be a whole number of 0 or more, not 1.5"],
    ["no number", { handler, retryLimit: NaN }, "`retryLimit` must be a whole number of 0 or more, not NaN"],
    ["a text", { handler, retryLimit: "5" }, "`retryLimit` must be a whole number of 0 or more, not 5"],
    ["no schedule", { handler, retry: "often" }, "`retry` must be a Schedule"],
    ["a Duration for a schedule", { handler, retry: Duration.seconds(1) }, "`retry` must be a Schedule"],
    [
      "both `transactional` and `asyncCommit`",
      { handler, transactional: true, asyncCommit: true },
      "give either `transactional` or `asyncCommit`: a transactional step waits for the disk"
    ],
    ...["soon", "", -1, Duration.seconds(-1), "-1 second"].map((retryDelay) =>
      [
        `${JSON.stringify(retryDelay)} for a delay`,
        { handler, retryDelay },
        "`retryDelay` must be a duration of 0 or more, such as \"5 seconds\""
      ] as const
    ),
    ...[{ retryLimit: 5 }, { retryDelay: "1 second" }, { retryLimit: 0, retryDelay: 0 }].map((more) =>
      [
        `a schedule and ${Object.keys(more).join(" and ")}`,
        { handler, retry: Schedule.forever, ...more },
        "give either `retry`, or `retryLimit` and `retryDelay`"
      ] as const
    )
  ]

  for (const [name, given, message] of options) {
    it(name, () => assert.strictEqual(messageOf(() => makeUntyped(ReadName, given)), `Step "ReadName": ${message}`))
  }
})
