import { assert } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Queue, Schema } from "effect"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { Job, jobs, start, workerTests } from "../../support/worker/Fixture.ts"
import { gone, insert, parked, row, run } from "../../support/worker/Table.ts"
import { eventually, within } from "../../support/worker/Wait.ts"

class Empty extends Schema.TaggedClass<Empty>()("Empty", {}) {}

const none = () => Effect.succeed(NextStep.none)

/** A `step` of a known task that no schema of it takes, and what the row then says. */
const undecodable: Record<string, string> = {
  [`{"Jobs":{"Job":{"name":7}}}`]: `Expected string`,
  [`{"Jobs":{"Job":{}}}`]: `["name"]`,
  [`{"Jobs":{"Job":null}}`]: `["name"]`,
  [`{"Jobs":{"Job":{"name":"a","_tag":"Other","name":null}}}`]: `["name"]`,
  [`{"Jobs":{"Job":[]}}`]: `the fields of state "Job" must be an object or null`,
  [`{"Jobs":{"Job":"name"}}`]: `the fields of state "Job" must be an object or null`,
  // A tag that no text of Postgres can hold.
  [`{"Jobs":{"Job\\u0000":{"name":"a"}}}`]: `Jobs has no state "Job`,
  [`{"Jobs":{"Job":{"name":"a"},"More":{}}}`]: `must have the shape`,
  [`{"Jobs":{"Job":{"name":"a"}},"More":{"Job":{}}}`]: `must have the shape`,
  [`{"Jobs":{"Job":{"name":}}}`]: `step is not JSON`
}

/** A `step` that belongs to no task at all. */
const malformed: Record<string, string> = {
  "": "step is not JSON",
  "rubbish": "step is not JSON",
  "{": "step is not JSON",
  "null": "must have the shape",
  "7": "must have the shape",
  "[]": "must have the shape",
  "{}": "must have the shape",
  [`"Jobs"`]: "must have the shape",
  [`{"Jobs":"Job"}`]: "must have the shape",
  [`{"Jobs":{}}`]: "must have the shape",
  [`{"Jobs":[{"Job":{"name":"a"}}]}`]: "must have the shape",
  [`{"":{"Job":{"name":"a"}}}`]: `no worker knows the task ""`
}

workerTests("broken rows", (test) => {
  for (const [step, error] of Object.entries(undecodable)) {
    test(
      `of a known task are parked untried: ${step}`,
      Effect.gen(function*() {
        const Jobs = jobs(none, { retryLimit: 9, retryDelay: "10 millis" })
        const id = yield* insert(step)
        yield* run("update pg_task set tried = 2")
        yield* start({ tasks: [Jobs] })
        const left = yield* parked(id)
        assert.include(left.error, error)
        assert.deepInclude(left, { step, tried: 2, crashes: 0, transitions: 0, token: null })
        yield* gone(yield* Jobs.enqueue(new Job({ name: "good" })))
      })
    )
  }

  for (const [step, error] of Object.entries(malformed)) {
    test(
      `of no shape are parked by any worker: ${step}`,
      Effect.gen(function*() {
        const Other = Task.make("Other", [Step.make(Empty, { handler: none })])
        const id = yield* insert(step)
        yield* start({ tasks: [Other] })
        const left = yield* parked(id)
        assert.include(left.error, error)
        assert.deepInclude(left, { step, task: null, tried: 0, crashes: 0, token: null })
        yield* gone(yield* Other.enqueue(new Empty()))
      })
    )
  }

  test(
    "run once they are mended",
    Effect.gen(function*() {
      const seen = yield* Queue.unbounded<string>()
      const Jobs = jobs(({ name }) => Effect.as(Queue.offer(seen, name), NextStep.none))
      yield* start({ tasks: [Jobs], pollInterval: "1 hour" })
      const ids = [yield* insert(`{"Jobs":{"Job":{"name":7}}}`), yield* insert("rubbish")]
      for (const id of ids) yield* parked(id)
      yield* run(`update pg_task set step = '{"Jobs":{"Job":{"name":"mended"}}}', error = null`)
      for (const id of ids) yield* gone(id)
      assert.deepStrictEqual(yield* within(Queue.takeN(seen, 2), "both"), ["mended", "mended"])
    })
  )

  test(
    "hold up nobody, however many there are",
    Effect.gen(function*() {
      const Jobs = jobs(none)
      yield* run(`insert into pg_task (step, wakeup_at)
        select case n % 3 when 0 then 'rubbish' when 1 then '{"Jobs":{"Job":{}}}' else '{"Foreign":{"A":{}}}' end,
          now() - interval '1 hour' from generate_series(1, 1500) n`)
      yield* start({ tasks: [Jobs], concurrency: 2 })
      yield* gone(yield* Jobs.enqueue(new Job({ name: "good" })))
      const counts = run<{ parked: number; foreign: number }>(
        `select count(*) filter (where error is not null)::int as parked,
        count(*) filter (where error is null and task = 'Foreign' and not is_running)::int as foreign from pg_task`
      )
      assert.strictEqual((yield* eventually(counts, ([found]) => found!.parked === 1000))[0]!.foreign, 500)
    })
  )
})

workerTests("rows of other tasks", (test) => {
  test(
    "wait, untouched, for a worker that knows them",
    Effect.gen(function*() {
      const Jobs = jobs(none)
      const Late = Task.make("Late", [Step.make(Empty, { handler: none })])
      const id = yield* Late.enqueue(new Empty())
      const version = run("select xmin::text, ctid::text from pg_task")
      const before = yield* version
      yield* start({ tasks: [Jobs], pollInterval: "10 millis" })
      for (let n = 0; n < 5; n++) yield* gone(yield* Jobs.enqueue(new Job({ name: "busy" })))
      assert.deepStrictEqual(yield* version, before)
      assert.deepInclude(yield* row(id), { status: "ready", tried: 0, error: null })
      yield* start({ tasks: [Late] })
      yield* gone(id)
    })
  )

  test(
    "keep nobody awake: a worker with nothing to do sleeps",
    Effect.gen(function*() {
      yield* run(`insert into pg_task (step) select '{"Foreign":{"A":{}}}' from generate_series(1, 100)`)
      yield* run(`insert into pg_task (step, error) select 'rubbish', 'parked' from generate_series(1, 100)`)
      const Jobs = jobs(none)
      const { config } = yield* PgClient.PgClient
      const named = PgClient.layer({ ...config, applicationName: "sleeper" })
      yield* Effect.provide(start({ tasks: [Jobs], pollInterval: "1 hour" }), yield* Layer.build(named))
      yield* gone(yield* Jobs.enqueue(new Job({ name: "busy" })))
      const lastStatement = run<{ at: string }>(
        "select max(query_start)::text as at from pg_stat_activity where application_name = 'sleeper'"
      )
      const secondOfSilence = Effect.gen(function*() {
        const before = yield* lastStatement
        yield* Effect.sleep(1000)
        return before[0]!.at === (yield* lastStatement)[0]!.at
      })
      yield* eventually(secondOfSilence, (silent) => silent)
    })
  )
})

workerTests("rows that others wrote", (test) => {
  const spellings = [
    `{"Jobs":{"Job":{"name":"a"}}}`,
    ` { "Jobs" : { "Job" : { "name" : "a" } } } `,
    `{\n  "Jobs": {\n    "Job": {\n      "name": "a"\n    }\n  }\n}`,
    `{"J\\u006fbs":{"\\u004aob":{"n\\u0061me":"\\u0061"}}}`,
    `{"Jobs":{"Job":{"name":"a","added":"by a newer producer"}}}`,
    `{"Jobs":{"Job":{"_tag":"Job","name":"a"}}}`
  ]
  for (const step of spellings) {
    test(
      `are read in any spelling: ${step}`,
      Effect.gen(function*() {
        const seen = yield* Queue.unbounded<string>()
        const Jobs = jobs(({ name }) => Effect.as(Queue.offer(seen, name), NextStep.none))
        yield* start({ tasks: [Jobs] })
        yield* gone(yield* insert(step))
        assert.strictEqual(yield* Queue.take(seen), "a")
      })
    )
  }

  for (const fields of ["{}", "null"]) {
    test(
      `hold a state without fields as ${fields}`,
      Effect.gen(function*() {
        const Quoted = Task.make(`"Quoted" ☕ {\\`, [Step.make(Empty, { handler: none })])
        yield* start({ tasks: [Quoted] })
        yield* gone(yield* insert(`{${JSON.stringify(Quoted.name)}:{"Empty":${fields}}}`))
        yield* gone(yield* Quoted.enqueue(new Empty()))
      })
    )
  }
})
