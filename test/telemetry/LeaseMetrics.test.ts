import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Metrics, NextStep, Step, Task } from "../../src/index.ts"
import { outcomes } from "../support/telemetry/Outcomes.ts"
import * as Series from "../support/telemetry/Series.ts"
import { Job, jobs, makeGate, start, workerTests } from "../support/worker/Fixture.ts"
import { gone, parked, run, steal } from "../support/worker/Table.ts"

const none = Effect.succeed(NextStep.none)

workerTests("leases that are lost", (test) => {
  /** Somebody takes a task away while its step waits at the gate. */
  const robbed = Effect.fnUntraced(
    function*(options: { readonly transactional: boolean; readonly lease?: "600 millis" }) {
      const { transactional, ...rest } = options
      const series = Series.capture()
      const gate = yield* makeGate
      const handler = ({ name }: Job) => Effect.as(gate.enter(name), NextStep.none)
      const Jobs = Task.make("Jobs", [Step.make(Job, { transactional, handler })])
      yield* Effect.provide(start({ tasks: [Jobs], ...rest }), series.layer)
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gate.next
      assert.deepStrictEqual(series.value(Metrics.leasesLost).count, 0)
      yield* steal(id)
      return { gate, series }
    }
  )

  const renewed = (name: string, transactional: boolean) =>
    test(
      name,
      Effect.gen(function*() {
        const { series } = yield* robbed({ transactional, lease: "600 millis" })
        yield* series.until(Metrics.leasesLost, 1)
        assert.deepStrictEqual(outcomes(series), { lost: 1 })
      })
    )

  renewed("are counted once, when a renewal finds out", false)
  renewed("are counted once for transactional steps, too", true)

  const refused = (name: string, transactional: boolean, ended: Readonly<Record<string, number>>) =>
    test(
      name,
      Effect.gen(function*() {
        const { gate, series } = yield* robbed({ transactional })
        yield* gate.open
        yield* series.until(Metrics.leasesLost, 1)
        assert.deepStrictEqual(outcomes(series), ended)
      })
    )

  // The step itself had ended well.
  refused("are counted when the result is refused", false, { finished: 1 })
  refused("are counted when the transaction of a step finds out", true, { lost: 1 })

  test(
    "are none while all goes well, and the series is there all the same",
    Effect.gen(function*() {
      const series = Series.capture()
      const Jobs = jobs(() => none)
      yield* Effect.provide(start({ tasks: [Jobs] }), series.layer)
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
      for (const counter of [Metrics.leasesLost, Metrics.leasesRescued, Metrics.reconnects]) {
        assert.deepStrictEqual(series.all(counter), [[{}, { count: 0, incremental: true }]])
      }
    })
  )
})

workerTests("leases that are taken over", (test) => {
  test(
    "are counted, also those of tasks that are parked for it",
    Effect.gen(function*() {
      const series = Series.capture()
      const Jobs = jobs(() => none)
      const ids = yield* Jobs.enqueueAll(["a", "b", "c"].map((name) => new Job({ name })))
      yield* run(
        "update pg_task set is_running = true, lease_token = gen_random_uuid(), lease_until = now() - interval '1 s'"
      )
      yield* run("update pg_task set crashes = 2 where id = $1::uuid", [ids[2]])
      yield* Effect.provide(start({ tasks: [Jobs], lease: "600 millis" }), series.layer)
      yield* parked(ids[2]!)
      yield* gone(ids[0]!)
      yield* gone(ids[1]!)
      yield* series.until(Metrics.leasesRescued, 3)
    })
  )
})
