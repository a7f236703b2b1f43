import { assert } from "@effect/vitest"
import { Cron, DateTime, Effect, Queue, Result, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Recurring, Schedules, Step, Task, type TaskError } from "../../src/index.ts"
import { closed, start, startApart, workerTests } from "../support/worker/Fixture.ts"
import { lockingRows } from "../support/worker/Locks.ts"
import { row, run } from "../support/worker/Table.ts"
import { eventually, within } from "../support/worker/Wait.ts"

class Build extends Schema.TaggedClass<Build>()("Build", {
  name: Schema.String,
  at: Schema.String,
  missed: Schema.Number
}) {}

/** A task that says what was started, and the recurring ones that start it. */
const makeReport = Effect.gen(function*() {
  const built = yield* Queue.unbounded<Build>()
  const Report = Task.make("Report", [
    Step.make(Build, { handler: (build) => Effect.as(Queue.offer(built, build), NextStep.none) })
  ])
  const state = ({ date, missed, name }: Recurring.Tick) =>
    new Build({ name, at: DateTime.formatIso(DateTime.toUtc(date)), missed })
  const next = within(Queue.take(built), "no tick")
  /** Those that `next` has not taken, once all ticks that there will be have been run. */
  const lastOnes = (name: string) =>
    Schedules.pause(name).pipe(
      Effect.andThen(eventually(run("select 1 from pg_task where task = 'Report'"), (found) => found.length === 0)),
      Effect.andThen(Queue.clear(built))
    )
  return { Report, state, next, lastOnes, built }
})

interface ScheduleRow {
  readonly id: string
  readonly key: string
  readonly fields: {
    readonly cron: string
    readonly version?: number
    readonly next?: string
    readonly missed?: number
    readonly overlapped?: number
  }
  readonly status: string
  readonly error: string | null
}

const schedules = run<ScheduleRow>(
  `select id::text, key, step::json #> array[task, '$schedule'] as fields, error,
    case when error is not null then 'parked' when wakeup_at = 'infinity' then 'paused'
      when wakeup_at <= now() then 'due' else 'scheduled' end as status
  from pg_task where state = '$schedule' order by key`
)

/** Waits until the schedules look as expected. */
const schedulesWhere = (holds: (found: ReadonlyArray<ScheduleRow>) => boolean) => eventually(schedules, holds)

/** Its next tick was some time ago. */
const missSince = (name: string, since: string) =>
  run(
    `update pg_task set wakeup_at = now() - $2::interval,
      step = jsonb_set(step::jsonb, array[task, '$schedule', 'next'],
        to_jsonb(to_char((now() - $2::interval) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')))::text
    where key = $1`,
    [name, since]
  )

/** Each second from the first tick on has had one tick. The order in which they were run is any. */
const assertEachSecondOnce = (ticks: ReadonlyArray<Build>) => {
  const times = ticks.map(({ at }) => Date.parse(at)).sort((a, b) => a - b)
  assert.deepStrictEqual(times, times.map((_, n) => times[0]! + n * 1000))
}

const yearly = "0 0 1 1 *"

workerTests("a recurring task", (test) => {
  test(
    "stores its schedule, and starts its task at each tick, once",
    Effect.gen(function*() {
      const { Report, lastOnes, next, state } = yield* makeReport
      // With "once", a machine that is busy for a second would leave ticks out.
      const options = { missed: "all", overlap: "allow" } as const
      const Secondly = Recurring.make("secondly", { cron: "* * * * * *", task: Report, state, ...options })
      yield* Effect.all([1, 2, 3, 4].map(() => start({ tasks: [Report, Secondly] })), { concurrency: "unbounded" })
      const ticks = [yield* next, yield* next, yield* next, yield* next]
      assertEachSecondOnce([...ticks, ...yield* lastOnes("secondly")])
      assert.strictEqual((yield* schedules).length, 1)
    })
  )

  test(
    "begins in its own zone",
    Effect.gen(function*() {
      const { Report, next, state } = yield* makeReport
      const Zoned = Recurring.make("zoned", { cron: yearly, timeZone: "Asia/Kathmandu", task: Report, state })
      yield* start({ tasks: [Report, Zoned] })
      const [stored] = yield* schedulesWhere((found) => found.length === 1)
      assert.match(stored!.fields.next!, /^\d{4}-12-31T18:15:00\.000Z$/)
      // By hand, like any task.
      yield* run("update pg_task set wakeup_at = now()")
      const before = Date.now()
      assert.isBelow(Math.abs(Date.parse((yield* next).at) - before), 60_000)
      const [after] = yield* schedulesWhere(([found]) => found?.status === "scheduled")
      assert.strictEqual(after!.fields.next, stored!.fields.next)
    })
  )

  test(
    "follows a new spec with a higher version, and no other",
    Effect.gen(function*() {
      const { Report, state } = yield* makeReport
      const worker = (version: number, cron: string) =>
        Effect.flatMap(
          startApart({ tasks: [Report, Recurring.make("nightly", { cron, version, task: Report, state })] }),
          (apart) =>
            Effect.andThen(schedulesWhere(([found]) => (found?.fields.version ?? -1) >= version), closed(apart))
        )
      yield* worker(1, "0 1 * * *")
      yield* worker(2, "0 2 * * *")
      yield* worker(1, "0 1 * * *")
      yield* worker(2, "0 3 * * *")
      const [stored] = yield* schedules
      assert.deepInclude(stored!.fields, { cron: "0 2 * * *", version: 2 })
    })
  )

  test(
    "runs for tenants, in the transaction of its caller",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { Report, next, state } = yield* makeReport
      const Tenants = Recurring.make("tenants", { task: Report, state })
      yield* start({ tasks: [Report, Tenants] })
      yield* Effect.exit(sql.withTransaction(
        Effect.andThen(Tenants.schedule("never", { cron: "* * * * * *" }), Effect.fail("no"))
      ))
      yield* Tenants.schedule("tenant-8", { cron: yearly })
      yield* Tenants.schedule("tenant-7", { cron: "* * * * * *", timeZone: "America/Chicago" })
      assert.strictEqual((yield* next).name, "tenant-7")
      assert.deepStrictEqual((yield* schedules).map(({ key }) => key), ["tenant-7", "tenant-8"])
      yield* Tenants.schedule("tenant-7", { cron: yearly })
      assert.isTrue(yield* Tenants.unschedule("tenant-7"))
      assert.isFalse(yield* Tenants.unschedule("tenant-7"))
      assert.deepStrictEqual((yield* schedules).map(({ key }) => key), ["tenant-8"])
    })
  )

  test(
    "is not run beside itself, unless it may be",
    Effect.gen(function*() {
      const { state } = yield* makeReport
      const Stuck = Task.make("Stuck", [Step.make(Build, { handler: () => Effect.never })])
      const Alone = Recurring.make("alone", { cron: yearly, task: Stuck, state })
      const Beside = Recurring.make("beside", { cron: yearly, task: Stuck, state, overlap: "allow" })
      yield* start({ tasks: [Stuck, Alone, Beside], shutdownTimeout: 0 })
      yield* schedulesWhere((found) => found.length === 2)
      const runs = (count: number) =>
        eventually(run("select 1 from pg_task where task = 'Stuck'"), (found) => found.length === count)
      yield* run("update pg_task set wakeup_at = now() where state = '$schedule'")
      yield* runs(2)
      yield* schedulesWhere((found) => found.every(({ status }) => status === "scheduled"))
      yield* run("update pg_task set wakeup_at = now() where state = '$schedule'")
      yield* runs(3)
      yield* schedulesWhere((found) => found.some(({ fields }) => fields.overlapped === 1))
      // A result that is kept is no run.
      yield* run(
        `update pg_task set is_running = false, ended_at = now(), kept_until = now() + interval '1 day'
        where task = 'Stuck'`
      )
      yield* run("update pg_task set wakeup_at = now() where key = 'alone'")
      yield* runs(4)
    })
  )

  test(
    "is paused, and goes on",
    Effect.gen(function*() {
      const { Report, next, state } = yield* makeReport
      const Paused = Recurring.make("paused", { cron: yearly, task: Report, state })
      yield* start({ tasks: [Report, Paused] })
      yield* schedulesWhere((found) => found.length === 1)
      assert.strictEqual(yield* Schedules.pause("paused"), 1)
      assert.deepInclude((yield* Schedules.list)[0], { recurring: "paused", name: "paused", paused: true })
      assert.strictEqual(yield* Schedules.resume("paused", "paused"), 1)
      const [stored] = yield* Schedules.list
      assert.deepInclude(stored, { paused: false, cron: yearly, timeZone: "UTC", missed: 0, error: null })
      assert.strictEqual(DateTime.formatIso(stored!.next!).slice(4), "-01-01T00:00:00.000Z")
      assert.strictEqual(yield* Schedules.runNow(Paused, "paused"), 1)
      yield* next
      yield* eventually(Schedules.list, ([found]) => found!.last !== null)
    })
  )

  test(
    "goes on after its connection was lost in the middle of a tick, and no tick is lost or comes twice",
    Effect.gen(function*() {
      const { Report, lastOnes, next, state } = yield* makeReport
      yield* run("create sequence tick_started")
      yield* run("create sequence tick_moved")
      // Cuts a few times only: a busy machine has several ticks in one transaction, and must get through in the end.
      yield* run(
        `create function cut() returns trigger language plpgsql as $$ begin
          if nextval(tg_argv[0]) in (1, 3) then perform pg_terminate_backend(pg_backend_pid()); end if;
          return new;
        end $$`
      )
      yield* run(
        `create trigger cut before insert on pg_task for each row
        when (new.task = 'Report') execute function cut('tick_started')`
      )
      // After what the tick starts was stored, too.
      yield* run(
        `create trigger cut_move before update on pg_task for each row
        when (new.state = '$schedule' and new.wakeup_at > old.wakeup_at) execute function cut('tick_moved')`
      )
      const Secondly = Recurring.make("secondly", {
        cron: "* * * * * *",
        task: Report,
        state,
        missed: "all",
        overlap: "allow"
      })
      yield* start({ tasks: [Report, Secondly] })
      const ticks = [yield* next, yield* next, yield* next]
      yield* run("drop trigger cut on pg_task")
      yield* run("drop trigger cut_move on pg_task")
      assertEachSecondOnce([...ticks, ...yield* lastOnes("secondly")])
    })
  )

  test(
    "ticks while all other rows are locked, and beside a backlog",
    Effect.gen(function*() {
      const { Report, next, state } = yield* makeReport
      const Secondly = Recurring.make("secondly", { cron: "* * * * * *", task: Report, state, overlap: "allow" })
      yield* run(
        `insert into pg_task (step)
        select '{"Report":{"Build":{"name":"backlog","at":"","missed":0}}}' from generate_series(1, 1000)`
      )
      yield* lockingRows
      yield* start({ tasks: [Report, Secondly] })
      assert.strictEqual((yield* next).name, "secondly")
    })
  )
})

workerTests("ticks that were missed", (test) => {
  const missed = Effect.fnUntraced(function*(policy: "once" | "all" | "skip", since: string) {
    const { Report, built, state } = yield* makeReport
    const Hourly = Recurring.make("hourly", {
      cron: "0 * * * *",
      task: Report,
      state,
      missed: policy,
      overlap: "allow"
    })
    const first = yield* startApart({ tasks: [Report, Hourly] })
    yield* schedulesWhere((found) => found.length === 1)
    yield* closed(first)
    yield* missSince("hourly", since)
    yield* start({ tasks: [Report, Hourly] })
    const [stored] = yield* schedulesWhere(([found]) => found?.status === "scheduled")
    yield* eventually(run("select 1 from pg_task where task = 'Report'"), (found) => found.length === 0)
    return { runs: yield* Queue.clear(built), stored: stored! }
  })

  test(
    "are run once",
    Effect.gen(function*() {
      const { runs, stored } = yield* missed("once", "3 days")
      assert.strictEqual(runs.length, 1)
      assert.isAtLeast(runs[0]!.missed, 71)
      assert.isBelow(Date.now() - Date.parse(runs[0]!.at), 3_700_000)
      assert.strictEqual(stored.fields.missed, runs[0]!.missed)
    })
  )

  test(
    "are skipped",
    Effect.gen(function*() {
      const { runs, stored } = yield* missed("skip", "3 days")
      // The newest may just have been in time.
      assert.isAtLeast(stored.fields.missed!, 71)
      assert.isAtMost(runs.length, 1)
    })
  )

  test(
    "are all run",
    Effect.gen(function*() {
      const { runs } = yield* missed("all", "10 hours")
      assert.isAtLeast(runs.length, 10)
      assert.strictEqual(new Set(runs.map(({ at }) => at)).size, runs.length)
    })
  )
})

workerTests("a schedule that can't work", (test) => {
  const define = (options: object) => () =>
    Recurring.make(
      "bad",
      {
        task: Task.make("T", [Step.make(Build, { handler: () => Effect.succeed(NextStep.none) })]),
        state: () => 0,
        ...options
      } as never
    )

  const mistakes: ReadonlyArray<readonly [options: object, message: RegExp]> = [
    [{ cron: "0 3 * *" }, /"0 3 \* \*" in the zone "UTC" is no schedule/],
    [{ cron: "0 25 * * *" }, /is no schedule/],
    [{ cron: yearly, timeZone: "Europe/Berlyn" }, /"Europe\/Berlyn" is no schedule/],
    [{ cron: Cron.parseUnsafe(yearly), timeZone: "UTC" }, /give the time zone to the Cron/],
    [{ cron: yearly, missed: "all" }, /`missed: "all"` needs `overlap: "allow"`/],
    [{ cron: yearly, version: -1 }, /`version` must be a whole number/],
    [{ cron: yearly, jitter: "soon" }, /`jitter` must be a finite duration/],
    [{ cron: yearly, task: "Report" }, /`task` must be a task/]
  ]
  for (const [options, message] of mistakes) {
    test(
      `is refused: ${JSON.stringify(options)}`,
      Effect.sync(() => {
        try {
          define(options)()
        } catch (error) {
          assert.strictEqual((error as TaskError.TaskDefinitionError)._tag, "TaskDefinitionError")
          return assert.match((error as Error).message, message)
        }
        assert.fail("it was not refused")
      })
    )
  }

  test(
    "is refused where it is stored, or parked if SQL has stored it",
    Effect.gen(function*() {
      const { Report, next, state } = yield* makeReport
      const Tenants = Recurring.make("tenants", { task: Report, state })
      for (const [name, cron] of [["a", "0 3 * *"], ["", yearly], ["tenants", yearly]] as const) {
        assert.isTrue(Result.isFailure(yield* Effect.result(Tenants.schedule(name, { cron }))))
      }
      const insert = (key: string, fields: string) =>
        run("insert into pg_task (step, key) values ($1, $2)", [`{"tenants":{"$schedule":${fields}}}`, key])
      yield* insert("bad", `{"cron":"0 25 * * *"}`)
      yield* insert("none", "{}")
      yield* insert("good", `{"cron":"* * * * * *","timeZone":"America/Chicago"}`)
      yield* start({ tasks: [Report, Tenants] })
      assert.strictEqual((yield* next).name, "good")
      const found = yield* schedulesWhere((found) => found.filter(({ status }) => status === "parked").length === 2)
      assert.match(found[0]!.error!, /"0 25 \* \* \*" in the zone "UTC" is no schedule/)
    })
  )

  test(
    "is parked if its own code fails, and others go on",
    Effect.gen(function*() {
      const { Report, next, state } = yield* makeReport
      const Broken = Recurring.make("broken", {
        cron: "* * * * * *",
        task: Report,
        state: () => {
          throw new Error("no state")
        }
      })
      const Fine = Recurring.make("fine", { cron: "* * * * * *", task: Report, state })
      yield* start({ tasks: [Report, Broken, Fine] })
      yield* next
      const [broken] = yield* schedulesWhere(([found]) => found?.status === "parked")
      assert.include(broken!.error, "no state")
      assert.isDefined(yield* row(broken!.id))
    })
  )
})
