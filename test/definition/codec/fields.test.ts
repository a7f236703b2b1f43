import { assert } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { Admin, NextStep, Step, Task } from "../../../src/index.ts"
import { throughTheTable } from "../../support/worker/States.ts"
import { start, workerTests } from "../../support/worker/Fixture.ts"
import { gone, parked, rows } from "../../support/worker/Table.ts"

const handler = () => Effect.succeed(NextStep.none)

const Person = Schema.Struct({ name: Schema.String, nick: Schema.optionalKey(Schema.String) })
class Place extends Schema.Class<Place>("Place")({ city: Schema.String }) {}
class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}

const Invite = Schema.TaggedStruct("Invite", {
  email: Schema.String,
  note: Schema.optionalKey(Schema.String),
  by: Schema.optional(Person),
  to: Schema.optionalKey(Schema.Array(Person)),
  at: Schema.optionalKey(Place),
  where: Schema.optionalKey(Schema.Union([
    Schema.Struct({ kind: Schema.Literal("room"), floor: Schema.Number }),
    Schema.Struct({ kind: Schema.Literal("hall"), seats: Schema.Number }),
    Schema.String
  ])),
  maybe: Schema.optionalKey(Schema.Option(Person)),
  why: Schema.optionalKey(Refused),
  more: Schema.optionalKey(Schema.Record(Schema.String, Schema.Number)),
  any: Schema.optionalKey(Schema.Struct({}))
})
type Invite = typeof Invite.Type

interface Tree {
  readonly name: string
  readonly kids: ReadonlyArray<Tree>
}
const Tree: Schema.Codec<Tree> = Schema.Struct({
  name: Schema.String,
  kids: Schema.Array(Schema.suspend(() => Tree))
})
const Forest = Schema.TaggedStruct("Forest", { tree: Tree })

class Named extends Schema.TaggedClass<Named>()("Named", {
  name: Schema.String.check(Schema.isNonEmpty()),
  at: Schema.optionalKey(Place)
}) {}
/** TypeScript takes it for a `Named`. */
class Renamed extends Named {
  readonly former = "Ada"
}
class Loud extends Schema.TaggedClass<Loud>()("Loud", { name: Schema.String }) {
  greet = () => `HELLO ${this.name}`
  last = undefined
}

const Fields = Task.make("Fields", [
  Step.make(Invite, { handler }),
  Step.make(Forest, { handler }),
  Step.make(Named, { handler }),
  Step.make(Loud, { handler })
])

/** As from a variable, of which TypeScript doesn't say that it has too much. */
const invite = <A extends object>(fields: A): Invite & A => ({ _tag: "Invite", email: "a@b.c", ...fields })
const ada = { name: "Ada" }
const bob = { _tag: "Named" as const, name: "Bob", alias: "Rob" }
const oldTree = { name: "c", kids: [], age: 5 }

const refused: ReadonlyArray<readonly [string, Task.State<typeof Fields>]> = [
  ["notes", invite({ notes: "lost" })],
  ["by.nickname", invite({ by: { ...ada, nickname: "lost" } })],
  ["to.1.nickname", invite({ to: [ada, { ...ada, nickname: "lost" }] })],
  ["at.zip", invite({ at: Object.assign(new Place({ city: "Rome" }), { zip: 1 }) })],
  ["where.seats", invite({ where: { kind: "room" as const, floor: 1, seats: 5 } })],
  ["tree.kids.0.kids.0.age", { _tag: "Forest", tree: { name: "a", kids: [{ name: "b", kids: [oldTree] }] } }],
  ["former", new Renamed({ name: "Bob" })],
  ["alias", bob]
]

const taken: ReadonlyArray<Task.State<typeof Fields>> = [
  invite({ by: { ...ada, nick: "a" }, to: [ada], at: new Place({ city: "Rome" }), maybe: Option.some(ada) }),
  invite({ where: { kind: "hall" as const, seats: 5 }, more: { a: 1, b: 2 }, why: new Refused({ why: "no" }) }),
  invite({ where: "here", by: undefined, notes: undefined, any: { a: 1 } }),
  Forest.make({ tree: { name: "a", kids: [{ name: "b", kids: [{ name: "c", kids: [] }] }] } }),
  new Loud({ name: "Ada" })
]

workerTests("fields that a state's schema doesn't have", (test) => {
  for (const [field, state] of refused) {
    test(
      `${field}: are an error that names it, where they would be lost`,
      Effect.gen(function*() {
        const error = yield* Effect.flip(Fields.enqueue(state))
        assert.deepInclude(error, { _tag: "TaskInvalidStateError", task: "Fields", state: state._tag })
        assert.include(error.message, `nothing was stored: it has no field "${field}"`)
        const all = yield* Effect.flip(Fields.enqueueAll([taken[0]!, state]))
        assert.include(all.message, `it has no field "${field}"`)
        assert.isEmpty(yield* rows)
      })
    )
  }

  test(
    "are an error of the step that moves to it",
    Effect.gen(function*() {
      const Moves = Task.make("Moves", [
        Step.make(Named, { next: [Invite], handler: () => Effect.succeed(NextStep.now(invite({ notes: "lost" }))) }),
        Step.make(Invite, { handler })
      ])
      const id = yield* Moves.enqueue(new Named({ name: "Ada" }))
      yield* start({ tasks: [Moves] })
      const { error } = yield* parked(id)
      assert.include(error, `TaskInvalidStateError: Moves: the state "Invite" doesn't fit its schema`)
      assert.include(error, `it has no field "notes"`)
    })
  )

  test(
    "are an error of an edit",
    Effect.gen(function*() {
      const id = yield* Fields.delay(invite({}), "1 day")
      const error = yield* Effect.flip(Admin.edit(Fields, id, invite({ notes: "lost" })))
      assert.include(error.message, `it has no field "notes"`)
    })
  )

  for (const [index, state] of taken.entries()) {
    test(
      `and nothing else are refused: ${index}`,
      Effect.gen(function*() {
        yield* start({ tasks: [Fields] })
        yield* gone(yield* Fields.enqueue(state))
      })
    )
  }
})

workerTests("a plain object for the state of a class", (test) => {
  test(
    "is made into the class when it is stored",
    Effect.gen(function*() {
      const { seen, text } = yield* throughTheTable(Named, { _tag: "Named", name: "Ada" })
      assert.strictEqual(text, `{"Show":{"Named":{"name":"Ada"}}}`)
      assert.instanceOf(seen, Named)
    })
  )

  test(
    "may hold plain objects for classes, too",
    Effect.gen(function*() {
      const { seen } = yield* throughTheTable(Named, { _tag: "Named", name: "Ada", at: { city: "Rome" } })
      assert.instanceOf(seen.at, Place)
      const struct = yield* throughTheTable(Invite, invite({ at: { city: "Rome" } }))
      assert.instanceOf(struct.seen.at, Place)
    })
  )

  test(
    "is taken from a handler",
    Effect.gen(function*() {
      const Moves = Task.make("Moves", [
        Step.make(Forest, {
          next: [Named],
          handler: () => Effect.succeed(NextStep.now({ _tag: "Named", name: "Ada" }))
        }),
        Step.make(Named, { handler: (state) => Effect.fail(state instanceof Named ? "made" : "plain") })
      ])
      const id = yield* Moves.enqueue(Forest.make({ tree: { name: "a", kids: [] } }))
      yield* start({ tasks: [Moves] })
      assert.strictEqual((yield* parked(id)).error, "made")
    })
  )

  test(
    "must fit the class, checks included",
    Effect.gen(function*() {
      const error = yield* Effect.flip(Fields.enqueue({ _tag: "Named", name: "" }))
      assert.deepInclude(error, { _tag: "TaskInvalidStateError", task: "Fields", state: "Named" })
      assert.include(error.message, `nothing was stored`)
      assert.include(error.message, `["name"]`)
    })
  )
})
