/** Outcomes of rows that are to be replaced, in a batch with others. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Metrics, NextStep, type TaskId } from "../../../src/index.ts"
import { toChanges } from "../../../src/internal/attempt/outcome.ts"
import { storeOutcomes } from "../../../src/internal/sql/outcome.ts"
import * as Series from "../../support/telemetry/Series.ts"
import { Job, jobs, makeGate, start, workerTests } from "../../support/worker/Fixture.ts"
import { holding } from "../../support/worker/Locks.ts"
import { empty, gone, run } from "../../support/worker/Table.ts"

const token = "00000000-0000-4000-8000-00000000abcd"
const lease = 30_000
const follower = JSON.stringify({ step: `{"Jobs":{"Job":{"name":"follower"}}}`, at: "2020-01-01T00:00:00Z" })

/** A row that a worker runs. */
const running = (columns: { readonly pending?: string; readonly inbox?: string }) =>
  Effect.map(
    run<{ id: TaskId.TaskId }>(
      `insert into pg_task (step, is_running, lease_token, lease_until, pending, inbox)
      values ('{"Jobs":{"Job":{"name":"a"}}}', true, $1, now() + interval '1 hour', $2::jsonb, $3::jsonb) returning id`,
      [token, columns.pending ?? null, columns.inbox ?? null]
    ),
    ([row]) => row!.id
  )

const fence = (id: TaskId.TaskId) => ({ id, token, n: 0 })

workerTests("a batch with a row that is to be replaced", (test) => {
  test(
    "keeps what it has stored when another session holds that row",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const plain = yield* running({})
      const replaced = yield* running({ pending: follower })
      const letGo = yield* holding(`update pg_task set wakes = wakes + 1 where id = '${replaced}'`)
      const found = yield* storeOutcomes(sql, { ends: [fence(plain), fence(replaced)], changes: [] }, { lease })
      yield* letGo
      assert.deepStrictEqual(found.map(({ id, unsettled }) => [id, unsettled]), [[plain, undefined], [replaced, true]])
      const [again] = yield* storeOutcomes(sql, { ends: [fence(replaced)], changes: [] }, { lease })
      assert.isTrue(again!.replaced)
    })
  )

  test(
    "loses no lease when another session holds that row, which follows when it is let go",
    Effect.gen(function*() {
      const series = Series.capture()
      const gate = yield* makeGate
      const Jobs = jobs(({ name }) =>
        name === "follower" ? Effect.succeed(NextStep.none) : Effect.as(gate.enter(name), NextStep.none)
      )
      yield* Effect.provide(start({ tasks: [Jobs] }), series.layer)
      const names = ["a", "b", "c", "d"]
      const ids = yield* Jobs.enqueueAll(names.map((name) => new Job({ name })))
      for (const _ of names) yield* gate.next
      yield* run("update pg_task set pending = $2::jsonb where id = $1", [ids[2], follower])
      const letGo = yield* holding(`update pg_task set wakes = wakes + 1 where id = '${ids[2]}'`)
      yield* gate.open
      for (const id of ids.filter((id) => id !== ids[2])) yield* gone(id)
      yield* letGo
      yield* empty
      assert.deepStrictEqual(series.value(Metrics.leasesLost).count, 0)
    })
  )

  test(
    "takes the signal out of it that its attempt took",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const inbox = JSON.stringify({ signals: [{ tag: "A", value: {} }, { tag: "B", value: {} }] })
      const ended = yield* running({ pending: follower, inbox })
      const moved = yield* running({ pending: follower, inbox })
      yield* storeOutcomes(sql, {
        ends: [{ taken: 0, ...fence(ended) }],
        changes: [{ kind: "Continued", step: "{}", waited: true, taken: 1, ...fence(moved) }]
      }, { lease })
      const left = yield* run<{ id: string; tag: string }>(
        "select id, inbox #>> '{signals,0,tag}' as tag from pg_task where jsonb_array_length(inbox -> 'signals') = 1"
      )
      assert.deepStrictEqual(new Map(left.map(({ id, tag }) => [id, tag])), new Map([[ended, "B"], [moved, "A"]]))
    })
  )
})

workerTests("a batch", (test) => {
  test(
    "is not refused for an inbox that is none",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const id = yield* running({ inbox: `{"signals": {}}` })
      assert.lengthOf(yield* storeOutcomes(sql, { ends: [fence(id)], changes: [] }, { lease }), 1)
    })
  )

  test(
    "has the history of the last attempt only, of a row that was lost and claimed again",
    Effect.gen(function*() {
      const id = yield* running({})
      const history = (outcome: string) => ({
        id,
        task: "Jobs",
        state: "Job",
        transition: 0,
        attempt: 1,
        outcome,
        duration: 1,
        worker: undefined,
        keep: undefined
      })
      const claimed = { id, token, transitions: 0, wait: undefined }
      const changes = toChanges([
        { claimed: { ...claimed, token: "lost" }, outcome: { _tag: "Released" }, history: history("released") },
        { claimed, outcome: { _tag: "Finished" }, history: history("finished") }
      ])
      assert.deepStrictEqual(changes.history?.map(({ outcome }) => outcome), ["finished"])
    })
  )
})
