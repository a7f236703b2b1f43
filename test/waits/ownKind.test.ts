// A task that has children of its own kind, and tasks that have each other's.
import { assert } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Diagram, NextStep, Step, Task, TaskError } from "../../src/index.ts"
import { start, workerTests } from "../support/worker/Fixture.ts"
import { parked } from "../support/worker/Table.ts"
import { within } from "../support/worker/Wait.ts"

class Size extends Schema.TaggedClass<Size>()("Size", { folders: Schema.Number }) {}
class Open extends Schema.TaggedClass<Open>()("Open", { depth: Schema.Number }) {}
class Inside extends Schema.TaggedClass<Inside>()("Inside", {
  folders: Schema.Array(Task.child((): Task.Forward<"Tree", typeof Size> => Tree))
}) {}
const Tree = Task.declare("Tree", { states: [Open, Inside], entry: [Open], final: [Size] })

/** Each folder has two others in it, but for the deepest ones. */
const TreeTask = Task.make(Tree, [
  Step.make(Open, {
    next: [Inside],
    handler: ({ depth }) => {
      const folders = depth === 0 ? [] : [depth - 1, depth - 1].map((depth) => Tree.child(new Open({ depth })))
      return Effect.succeed(NextStep.now(new Inside({ folders })))
    }
  }),
  Step.wait(Inside, (on) => [
    on.children({
      next: [Size],
      handler: (_, { folders }) =>
        Effect.succeed(NextStep.now(new Size({ folders: folders.reduce((sum, one) => sum + one.folders, 1) })))
    })
  ]),
  Step.final(Size)
])

workerTests("a task with children of its own kind", (test) => {
  test(
    "goes on when all of them have ended, at any depth",
    Effect.gen(function*() {
      yield* start({ tasks: [TreeTask], concurrency: 5 })
      const size = yield* within(Tree.execute(new Open({ depth: 4 })), "the size of the tree")
      assert.deepStrictEqual(size, new Size({ folders: 31 }))
    })
  )

  test(
    "is refused another task's child",
    Effect.gen(function*() {
      const Other = Task.declare("Other", { states: [Open], final: [Size] })
      const alien = { _tag: "Inside", folders: [Other.child(new Open({ depth: 1 }))] } as unknown as Inside
      const Wrong = Task.make(Tree, [
        Step.make(Open, { next: [Inside], handler: () => Effect.succeed(NextStep.now(alien)) }),
        Step.make(Inside, { next: [Size], handler: () => Effect.succeed(NextStep.none) }),
        Step.final(Size)
      ])
      yield* start({ tasks: [Wrong] })
      const { error } = yield* parked(yield* Tree.enqueue(new Open({ depth: 1 })))
      assert.include(error, "a child: made by `child` of its task")
    })
  )

  test(
    "is named in its own picture",
    Effect.sync(() => {
      assert.deepStrictEqual(Diagram.toGraph(TreeTask).nodes.map(({ children }) => children), [[], ["Tree"], []])
    })
  )

  test(
    "is told what is no task, when it is looked at first",
    Effect.sync(() => {
      const child = Task.child((() => "Tree") as unknown as () => Task.Forward<"Tree", typeof Size>)
      const Broken = Schema.TaggedStruct("Broken", { child })
      const task = Task.make("Broken", [Step.make(Broken, { handler: () => Effect.succeed(NextStep.none) })])
      assert.throws(() => Diagram.toGraph(task), TaskError.TaskDefinitionError, "a function that returns it")
      assert.throws(() => Task.child("Tree" as never), TaskError.TaskDefinitionError, "must be given a task")
    })
  )
})
