import { assert } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Ref, Schema, Scope } from "effect"
import { NextStep, Step, Task, Worker } from "../../../src/index.ts"
import { Job, jobs, makeGate, workerTests } from "../../support/worker/Fixture.ts"
import { empty, gone, listening, stopAll } from "../../support/worker/Table.ts"
import { within } from "../../support/worker/Wait.ts"

const Idle = Schema.TaggedStruct("Idle", {})
const Idlers = Task.make("Idlers", [Step.make(Idle, { handler: () => Effect.succeed(NextStep.none) })])

class Ping extends Schema.TaggedClass<Ping>()("Ping", { left: Schema.Number }) {}
class Pong extends Schema.TaggedClass<Pong>()("Pong", { left: Schema.Number }) {}
const Pings = Task.declare("Pings", { states: [Ping] })
const Pongs = Task.declare("Pongs", { states: [Pong] })

workerTests("Worker.make", (test) => {
  test(
    "starts several workers in one program, each with its own settings",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const slow = yield* Worker.make({ tasks: [Jobs], concurrency: 1, bufferSize: 0 })
      const quick = yield* Worker.make({ tasks: [Idlers], concurrency: 5 })
      assert.notStrictEqual(slow.id, quick.id)
      yield* Jobs.enqueueAll([new Job({ name: "a" }), new Job({ name: "b" })])
      yield* gate.next
      // The one slot of the slow worker is taken; the other one goes on.
      yield* gone(yield* Idlers.enqueue(Idle.make({})))
      assert.strictEqual((yield* slow.health).running, 1)
      assert.strictEqual(yield* gate.unseen, 0)
      yield* gate.open
      yield* empty
    })
  )

  test(
    "stops one worker, and leaves the others",
    Effect.gen(function*() {
      const one = yield* Worker.make({ tasks: [Idlers] })
      const other = yield* Worker.make({ tasks: [jobs(() => Effect.succeed(NextStep.none))] })
      yield* within(one.stop, "the stop")
      assert.isFalse((yield* one.health).alive)
      assert.isTrue((yield* other.health).alive)
    })
  )

  test(
    "stops gracefully when its scope is closed",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const scope = yield* Scope.make()
      const worker = yield* Scope.provide(Worker.make({ tasks: [Jobs] }), scope)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* gate.open
      yield* within(Fiber.join(closing), "the close")
      yield* within(worker.stopped, "the end")
      yield* gone(id)
    })
  )

  test(
    "is known to Worker.launch",
    Effect.gen(function*() {
      const workers = Layer.effectDiscard(
        Effect.all([Worker.make({ tasks: [Idlers] }), Worker.make({ tasks: [Idlers] })])
      )
      const launched = yield* Effect.forkChild(Worker.launch(workers))
      yield* listening(2)
      yield* stopAll
      assert.deepStrictEqual(yield* within(Fiber.await(launched), "the end"), Exit.void)
    })
  )
})

workerTests("tasks that are declared", (test) => {
  test(
    "enqueue each other and themselves",
    Effect.gen(function*() {
      const played = yield* Ref.make<ReadonlyArray<string>>([])
      const play = (name: string) => Ref.update(played, (names) => [...names, name])
      const PingsTask = Task.make(Pings, [
        Step.make(Ping, {
          transactional: true,
          handler: Effect.fnUntraced(function*({ left }) {
            if (left % 2 === 0) yield* Pings.enqueue(new Ping({ left: left - 1 }))
            else yield* Pongs.enqueue(new Pong({ left: left - 1 }))
            yield* play(`ping ${left}`)
            return NextStep.none
          })
        })
      ])
      const PongsTask = Task.make(Pongs, [
        Step.make(Pong, {
          transactional: true,
          handler: Effect.fnUntraced(function*({ left }) {
            if (left > 0) yield* Pings.enqueue(new Ping({ left }))
            yield* play(`pong ${left}`)
            return NextStep.none
          })
        })
      ])
      yield* Worker.make({ tasks: [PingsTask, PongsTask] })
      yield* Pings.enqueue(new Ping({ left: 4 }))
      yield* empty
      assert.deepStrictEqual(yield* Ref.get(played), ["ping 4", "ping 3", "pong 2", "ping 2", "ping 1", "pong 0"])
    })
  )
})
