import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { NextStep, Step, Task, TaskError } from "../../src/index.ts"

class Place extends Schema.TaggedClass<Place>()("Place", { order: Schema.String }) {}
class Pack extends Schema.TaggedClass<Pack>()("Pack", { order: Schema.String }) {}
class Ship extends Schema.TaggedClass<Ship>()("Ship", { order: Schema.String }) {}
/** The same to the compiler, and not to those who read rows. */
const LongShip = Schema.TaggedStruct("Ship", { order: Schema.String.check(Schema.isMinLength(10)) })

const handler = () => Effect.succeed(NextStep.none)
const place = Step.make(Place, { next: [Pack], handler })
const pack = Step.make(Pack, { handler })
const ship = Step.make(Ship, { next: [Ship], handler })

const Order = Task.declare("Order", { states: [Place, Pack], entry: [Place] })

describe("Task.declare", () => {
  it("keeps its name, its states and its entry", () => {
    assert.strictEqual(Order.name, "Order")
    assert.deepStrictEqual<ReadonlyArray<unknown>>(Order.states, [Place, Pack])
    assert.deepStrictEqual<ReadonlyArray<unknown>>(Order.entry, [Place])
  })

  it("without an entry begins with any state", () => {
    assert.deepStrictEqual<ReadonlyArray<unknown>>(Task.declare("Order", { states: [Place, Pack] }).entry, [
      Place,
      Pack
    ])
  })

  it("begins with any state that is not final, and keeps its final states apart", () => {
    const Final = Task.declare("Order", { states: [Place], final: [Pack, Ship] })
    assert.deepStrictEqual<ReadonlyArray<unknown>>(Final.states, [Place, Pack, Ship])
    assert.deepStrictEqual<ReadonlyArray<unknown>>(Final.entry, [Place])
    assert.deepStrictEqual<ReadonlyArray<unknown>>(Final.finals, [Pack, Ship])
    const made = Task.make("Order", [place, Step.final(Pack)])
    assert.deepStrictEqual<ReadonlyArray<unknown>>(made.entry, [Place])
    assert.deepStrictEqual<ReadonlyArray<unknown>>(made.finals, [Pack])
  })

  it("is a declaration, and no task", () => {
    assert.isTrue(Task.isDeclaration(Order))
    assert.isFalse(Task.isTask(Order))
  })
})

describe("a task made of a declaration", () => {
  const OrderTask = Task.make(Order, [pack, place])

  it("has its name, its entry and the steps", () => {
    assert.strictEqual(OrderTask.name, "Order")
    assert.deepStrictEqual<ReadonlyArray<unknown>>(OrderTask.entry, [Place])
    assert.deepStrictEqual<ReadonlyArray<unknown>>(OrderTask.steps, [pack, place])
  })

  it("is a task and a declaration, as every task is", () => {
    for (const task of [OrderTask, Task.make("Order", [pack])]) {
      assert.isTrue(Task.isTask(task))
      assert.isTrue(Task.isDeclaration(task))
    }
  })

  it("leaves the declaration as it was: another one can be made of it", () => {
    Task.make(Order, [place, pack])
    assert.isFalse(Task.isTask(Order))
  })
})

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

/** Callers in plain JavaScript may hand over anything. */
const declare = Task.declare as unknown as (...args: ReadonlyArray<unknown>) => unknown
const make = Task.make as unknown as (...args: ReadonlyArray<unknown>) => unknown

describe("Task.declare refuses, in plain JavaScript", () => {
  const cases: Record<string, readonly [options: unknown, message: string]> = {
    "no options": [undefined, "a task needs at least one state"],
    "no states": [{ entry: [Place] }, "a task needs at least one state"],
    "an empty list of states": [{ states: [] }, "a task needs at least one state"],
    "two states of one tag": [{ states: [Place, Ship, LongShip] }, `two of its \`states\` have the tag "Ship"`],
    "an empty entry": [
      { states: [Place], entry: [] },
      "`entry` must be an array of at least one state. Without it, a task begins in any state"
    ],
    "an entry that is no array": [
      { states: [Place], entry: Place },
      "`entry` must be an array of at least one state. Without it, a task begins in any state"
    ],
    "an entry that is no state": [
      { states: [Place], entry: [Pack] },
      `\`entry\` names "Pack", which is no state of this task`
    ],
    "final states that are no array": [{ states: [Place], final: Pack }, "`final` must be an array of states"],
    "two final states of one tag": [
      { states: [Place], final: [Ship, LongShip] },
      "two of its `final` have the tag \"Ship\""
    ],
    "a state that is final, and is not": [
      { states: [Place, Pack], final: [Pack] },
      `"Pack" is among its \`states\` and among its \`final\` states`
    ],
    "an entry that is final": [
      { states: [Place], final: [Pack], entry: [Pack] },
      `\`entry\` names "Pack", which is a final state`
    ],
    "an entry of another schema": [
      { states: [Ship], entry: [LongShip] },
      `\`entry\` names a "Ship" that differs from this task's state "Ship"`
    ]
  }
  for (const [title, [options, message]] of Object.entries(cases)) {
    it(title, () => assert.strictEqual(messageOf(() => declare("Order", options)), `Task "Order": ${message}`))
  }

  it("an empty name", () => {
    const message = messageOf(() => declare("", { states: [Place] }))
    assert.match(message, /^Task "": a task's name must be a text of 1 to 200 characters/)
  })

  it("what is no state", () => {
    const message = messageOf(() => declare("Order", { states: [Schema.String] }))
    assert.match(message, /^Each of the `states` of task "Order" must be a Schema\.TaggedClass or Schema\.TaggedStruct/)
  })
})

describe("Task.make of a declaration refuses", () => {
  const cases: Record<string, readonly [make: () => unknown, message: string]> = {
    "a declared state without a step": [
      () => make(Task.declare("Order", { states: [Place, Pack, Ship] }), [place, pack]),
      `no step for the state "Ship", which is declared`
    ],
    "a step of a state that is not declared": [
      () => make(Order, [place, pack, ship]),
      `it has a step for the state "Ship", which is not declared: add it to \`states\``
    ],
    "a step of another schema, which the compiler can't tell": [
      () => make(Task.declare("Order", { states: [LongShip] }), [ship]),
      `the state of step "Ship" differs from the "Ship" that is declared: use the same schema`
    ],
    "an entry of its own": [
      () => make(Order, [place, pack], { entry: [Pack] }),
      "it is declared already: give `entry` to Task.declare"
    ],
    "a step of a state that is declared as a final one": [
      () => make(Task.declare("Order", { states: [Place], final: [Pack] }), [place, pack]),
      `"Pack" is declared as a final state: make it with Step.final`
    ],
    "a final state that is not declared as one": [
      () => make(Order, [place, Step.final(Pack)]),
      `"Pack" is not declared as a final state: move it from \`states\` to \`final\``
    ],
    "no steps": [() => make(Order, []), "a task needs at least one step"],
    "a step that moves to a state that no step has": [
      () => make(Order, [place]),
      `step "Place" moves to "Pack", but no step of this task has that state`
    ]
  }
  for (const [title, [make, message]] of Object.entries(cases)) {
    it(title, () => assert.strictEqual(messageOf(make), `Task "Order": ${message}`))
  }
})

describe("a state that no entry reaches", () => {
  const unreached =
    `Task "Order": no task ever reaches the state "Ship" from the states in which it may begin ("Place"): `
    + "add it to `entry`, or to the `next` of a step"

  it("is refused by name, also if it moves to itself", () => {
    assert.strictEqual(messageOf(() => Task.make("Order", [place, ship, pack], { entry: [Place] })), unreached)
    const declaration = Task.declare("Order", { states: [Place, Pack, Ship], entry: [Place] })
    assert.strictEqual(messageOf(() => Task.make(declaration, [place, pack, ship])), unreached)
  })

  it("is none if it is an entry, or if a path leads to it, in circles too", () => {
    Task.make("Order", [place, ship, pack], { entry: [Place, Ship] })
    const back = Step.make(Pack, { next: [Place, Ship], handler })
    Task.make("Order", [ship, back, place], { entry: [Place] })
    Task.make("Order", [ship, back, place], { entry: [Pack] })
  })

  it("is none without an entry", () => {
    Task.make("Order", [place, pack, ship])
  })
})
