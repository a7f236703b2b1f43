import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { NextStep, Step, Task, TaskError } from "../../src/index.ts"

class ReadName extends Schema.TaggedClass<ReadName>()("ReadName", { filename: Schema.String }) {}
class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}

const handler = () => Effect.succeed(NextStep.none)
const readName = Step.make(ReadName, { next: [SayHello], handler })
const sayHello = Step.make(SayHello, { handler })

describe("Task.make", () => {
  it("keeps its name and its steps", () => {
    const Greeter = Task.make("Greeter", [readName, sayHello])
    assert.strictEqual(Greeter.name, "Greeter")
    assert.deepStrictEqual<ReadonlyArray<unknown>>(Greeter.steps, [readName, sayHello])
  })

  it("is told from anything else", () => {
    assert.isTrue(Task.isTask(Task.make("Greeter", [sayHello])))
    for (const other of [undefined, null, "task", {}, { name: "T", steps: [] }, Task, readName]) {
      assert.isFalse(Task.isTask(other))
    }
  })

  it("takes loops and cycles", () => {
    class Ping extends Schema.TaggedClass<Ping>()("Ping", {}) {}
    class Pong extends Schema.TaggedClass<Pong>()("Pong", {}) {}
    const ping = Step.make(Ping, { next: [Ping, Pong], handler: () => Effect.succeed(NextStep.now(new Pong())) })
    const pong = Step.make(Pong, { next: [Ping], handler: () => Effect.succeed(NextStep.now(new Ping())) })
    assert.strictEqual(Task.make("Rally", [ping, pong]).steps.length, 2)
  })

  it("has a priority, which is normal by default", () => {
    assert.strictEqual(Task.make("Greeter", [sayHello]).priority, "normal")
    for (const priority of ["high", "low"] as const) {
      assert.strictEqual(Task.make("Greeter", [sayHello], { priority }).priority, priority)
    }
  })

  it("lets tasks share steps", () => {
    const tasks = [Task.make("One", [readName, sayHello]), Task.make("Two", [sayHello])]
    assert.deepStrictEqual(tasks.map(({ steps }) => steps.length), [2, 1])
  })
})

/** The message of the `TaskDefinitionError` that this throws. Callers in plain JavaScript may hand over anything. */
const messageOf = (...args: ReadonlyArray<unknown>): string => {
  try {
    ;(Task.make as unknown as (...args: ReadonlyArray<unknown>) => unknown)(...args)
  } catch (error) {
    assert.instanceOf(error, TaskError.TaskDefinitionError)
    return error.message
  }
  return assert.fail("nothing was thrown")
}

const nameMessage = "a task's name must be a text of 1 to 200 characters, without NUL or half surrogate pairs"

describe("Task.make refuses, in plain JavaScript", () => {
  const names: Record<string, unknown> = {
    "no name": undefined,
    "a number": 1,
    "a symbol": Symbol("Greeter"),
    "an empty name": "",
    "a long name": "x".repeat(201),
    "a name with NUL": "a\0b",
    "a name with half a surrogate pair": "a\ud83d",
    "a name with the other half": "\ude00b"
  }
  for (const [title, name] of Object.entries(names)) {
    it(title, () => assert.strictEqual(messageOf(name, [sayHello]), `Task ${JSON.stringify(name)}: ${nameMessage}`))
  }

  it("a task without steps", () => {
    for (const steps of [undefined, [], {}, sayHello]) {
      assert.strictEqual(messageOf("Greeter", steps), `Task "Greeter": a task needs at least one step`)
    }
  })

  it("what isn't a step", () => {
    for (const step of [undefined, null, "SayHello", SayHello, { tag: "SayHello", nextTags: [] }, Effect.void]) {
      const message = `Task "Greeter": every step must be made with Step.make or Step.wait`
      assert.strictEqual(messageOf("Greeter", [sayHello, step]), message)
    }
  })

  it("two steps of one state", () => {
    const message = `Task "Greeter": two steps of this task have the state "SayHello"`
    assert.strictEqual(messageOf("Greeter", [sayHello, readName, sayHello]), message)
  })

  it("a priority that there is not", () => {
    const message = `Task "Greeter": \`priority\` must be "high" or "low"; without it, the priority is normal`
    for (const priority of ["normal", "urgent", 1, null]) {
      assert.strictEqual(messageOf("Greeter", [sayHello], { priority }), message)
    }
  })

  it("a step that moves to a state that no step has", () => {
    const message = `Task "Greeter": step "ReadName" moves to "SayHello", but no step of this task has that state`
    assert.strictEqual(messageOf("Greeter", [readName]), message)
  })
})
