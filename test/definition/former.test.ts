/** What a step's former states become when a row is decoded, and what is refused. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Schema } from "effect"
import { NextStep, Step, Task, TaskError } from "../../src/index.ts"
import { type Decoded, parseStep } from "../../src/internal/definition/codec.ts"
import { definitionOf } from "../../src/internal/definition/task.ts"

class ReadV1 extends Schema.TaggedClass<ReadV1>()("Read", { file: Schema.String }) {}
class ReadV2 extends Schema.TaggedClass<ReadV2>()("ReadFrom", { path: Schema.String }) {}
class ReadV3 extends Schema.TaggedClass<ReadV3>()("ReadIn", { dir: Schema.String, name: Schema.String }) {}
class Hello extends Schema.TaggedClass<Hello>()("Hello", {}) {}
class Dirs extends Context.Service<Dirs, string>()("Dirs") {}

const none = () => Effect.succeed(NextStep.none)

const decode = (task: Task.Any, raw: string): Effect.Effect<Decoded, unknown> =>
  Effect.flatMap(parseStep(raw), definitionOf(task).codec.decode)

const reader = Task.make("Reader", [
  Step.make(ReadV3, {
    from: [
      Step.former(ReadV2, ({ path }) => new ReadV3({ dir: ".", name: path })),
      Step.former(ReadV1, ({ file }) => file === "" ? new ReadV3({ dir: "", name: "" }) : new ReadV2({ path: file }))
    ],
    handler: none
  }),
  Step.make(Hello, { handler: none })
])

describe("a former state", () => {
  it.effect(
    "becomes the state of its step, through others if need be, and is named",
    Effect.fnUntraced(function*() {
      const found = yield* Effect.forEach(
        [`{"Reader":{"Read":{"file":"a"}}}`, `{"Reader":{"Read":{"file":""}}}`, `{"Reader":{"ReadFrom":{"path":"b"}}}`],
        (raw) => decode(reader, raw)
      )
      assert.deepStrictEqual(found.map(({ former, state, step }) => ({ former, state, step: step.tag })), [
        { former: "Read", state: new ReadV3({ dir: ".", name: "a" }), step: "ReadIn" },
        { former: "Read", state: new ReadV3({ dir: "", name: "" }), step: "ReadIn" },
        { former: "ReadFrom", state: new ReadV3({ dir: ".", name: "b" }), step: "ReadIn" }
      ])
      assert.isUndefined((yield* decode(reader, `{"Reader":{"ReadIn":{"dir":"d","name":"n"}}}`)).former)
    })
  )

  it.effect(
    "may look something up, in a scope",
    Effect.fnUntraced(function*() {
      let closed = 0
      const task = Task.make("Reader", [
        Step.make(ReadV3, {
          from: [
            Step.former(ReadV2, ({ path }) =>
              Effect.gen(function*() {
                yield* Effect.addFinalizer(() => Effect.sync(() => closed++))
                return new ReadV3({ dir: yield* Dirs, name: path })
              }))
          ],
          handler: none
        })
      ])
      const { state } = yield* Effect.provideService(decode(task, `{"Reader":{"ReadFrom":{"path":"b"}}}`), Dirs, "/etc")
      assert.deepStrictEqual([state, closed], [new ReadV3({ dir: "/etc", name: "b" }), 1])
    })
  )

  it.effect(
    "may be a struct, and become an error, which is an Effect, too",
    Effect.fnUntraced(function*() {
      class Failed extends Schema.TaggedError<Failed>()("Failed", { why: Schema.String }) {}
      const Old = Schema.TaggedStruct("Old", { why: Schema.String })
      const task = Task.make("Reader", [
        Step.make(Failed, { from: [Step.former(Old, ({ why }) => new Failed({ why }))], handler: none })
      ])
      const { state } = yield* decode(task, `{"Reader":{"Old":{"why":"because"}}}`)
      assert.deepStrictEqual(state, new Failed({ why: "because" }))
    })
  )

  it.effect(
    "that doesn't fit its own schema is refused, with its tag",
    Effect.fnUntraced(function*() {
      const exit = yield* Effect.exit(decode(reader, `{"Reader":{"Read":{"path":"a"}}}`))
      assert.include(String(exit), `Reader: step doesn't fit the schema of state "Read"`)
    })
  )

  it.effect(
    "that became something else is refused (in plain JavaScript)",
    Effect.fnUntraced(function*() {
      const of = (migrate: (old: ReadV1) => unknown) =>
        Task.make("Reader", [
          Step.make(ReadV3, { from: [Step.former(ReadV1, migrate as never)], handler: none } as never)
        ])
      const why = (migrate: (old: ReadV1) => unknown) =>
        Effect.map(Effect.exit(decode(of(migrate), `{"Reader":{"Read":{"file":"a"}}}`)), String)
      const neither = `the former state "Read" became neither "ReadIn" nor another former state of it`
      for (const value of [undefined, null, "ReadIn", [], {}, new Hello()]) {
        assert.include(yield* why(() => value), neither)
        assert.include(yield* why(() => Effect.succeed(value)), neither)
      }
      assert.include(yield* why((old) => old), `the former state "Read" goes round: it never becomes "ReadIn"`)
      const exit = yield* Effect.exit(decode(of(() => Effect.die("boom")), `{"Reader":{"Read":{"file":"a"}}}`))
      assert.isTrue(Exit.hasDies(exit))
    })
  )

  it("can't be given in a way that makes no sense (in plain JavaScript)", () => {
    const throws = (make: () => unknown, message: string) => {
      try {
        make()
      } catch (error) {
        assert.instanceOf(error, TaskError.TaskDefinitionError)
        assert.include(error.message, message)
        return
      }
      assert.fail(`should have thrown: ${message}`)
    }
    const stepWith = (from: unknown) => Step.make(ReadV3, { from, handler: none } as never)
    const old = Step.former(ReadV1, ({ file }) => new ReadV3({ dir: "", name: file }))
    throws(() => Step.former("Read" as never, () => new Hello()), "A former state must be a Schema.TaggedClass")
    throws(() => Step.former(ReadV1, undefined as never), `Step.former of "Read" needs a function`)
    throws(() => stepWith(old), "`from` must be an array of former states, each made with Step.former")
    throws(() => stepWith([ReadV1]), "`from` must be an array of former states, each made with Step.former")
    throws(() => stepWith([old, old]), `Step "ReadIn": two of its former states have the tag "Read"`)
    throws(() => stepWith([Step.former(ReadV3, (state) => state)]), "a former state has the tag of the state")
    const other = Step.make(Hello, { from: [Step.former(ReadV1, () => new Hello())], handler: none })
    const current = Step.make(ReadV1, { handler: none })
    const task = (...steps: ReadonlyArray<unknown>) => Task.make("Reader", steps as never)
    throws(() => task(stepWith([old]), other), `"Read" is a former state of two steps`)
    throws(() => task(stepWith([old]), current), `"Read" is a former state of step "ReadIn", and the state of another`)
    const moves = Step.make(Hello, { next: [ReadV1], handler: none })
    throws(() => task(stepWith([old]), moves), `step "Hello" moves to the former state "Read": move to what it became`)
  })
})
