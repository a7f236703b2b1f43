/** A rolling deploy: processes of two builds side by side, one of them restarted again and again. */
import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import * as EmbeddedPostgres from "../../src/testing/EmbeddedPostgres.ts"
import { Migrations } from "../../src/index.ts"
import { client } from "../support/database/Database.ts"
import * as Script from "../support/process/Script.ts"
import { empty, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"
import type { Logbook } from "./RunLog.ts"
import type { Arguments } from "./scripts/tripWorker.ts"

/** What went wrong, and what was seen. */
export interface Result {
  readonly wrong: ReadonlyArray<string>
  /** How many tasks ran in both builds. */
  readonly crossed: number
  /** How many steps of the second build began with a row of the first one. */
  readonly takenOver: number
  readonly steps: number
}

const startBuild = (url: string, args: Arguments) =>
  Script.run("test/faults/scripts/tripWorker.ts", { args: [JSON.stringify(args)], env: { DATABASE_URL: url } })

/** Waits until a process has run this many steps. */
const hasRun = (worker: string, steps: number) =>
  eventually(
    run<{ count: number }>("select count(*)::int as count from ran where worker = $1", [worker]),
    ([found]) => found!.count >= steps
  )

/** Programs of either build enqueue all the time. */
const produce = Effect.forever(
  Effect.andThen(
    run(
      `insert into pg_task (step) values ('{"Trip":{"Start":{"hops":3}}}'), ('{"Trip":{"Read":{"file":"f","hops":2}}}'),
      ('{"Trip":{"ReadIn":{"dir":"d","file":"f","hops":2}}}')`
    ),
    Effect.sleep(100)
  )
)

const stop = (script: Script.Script) => Effect.andThen(script.kill("SIGTERM"), script.exit)

const summary = run<Omit<Result, "wrong"> & { readonly parked: number; readonly foreign: number }>(
  `select count(*)::int as steps,
  (select count(*)::int from (select task from ran group by task having count(distinct build) = 2) c) as crossed,
  count(*) filter (where build = 2 and step = 'ReadIn' and seen like 'former %')::int as "takenOver",
  count(*) filter (where build = 1 and step not in ('Start', 'Read'))::int as foreign,
  (select count(*)::int from pg_task where error is not null) as parked from ran`
)

/** Whether a worker said that it parked something, or found something wrong. */
const complaints = (script: Script.Script) =>
  script.lines().filter((line) => /Parked|Lease lost|has ended by a bug/.test(line))

/** Restarts the second build while `goesOn`, then ends the first one, and lets the second work off the rest. */
export const playRollingDeploy = (
  url: string,
  goesOn: (restarts: number) => boolean
): Effect.Effect<Result, SqlError, SqlClient.SqlClient> =>
  Effect.scoped(Effect.gen(function*() {
    yield* run("create table ran (task uuid, build int, worker text, step text, seen text)")
    const scripts: Array<Script.Script> = []
    const started = (args: Arguments) =>
      Effect.tap(startBuild(url, args), (script) => Effect.sync(() => scripts.push(script)))
    const old = yield* started({ build: 1, name: "old" })
    const producer = yield* Effect.forkScoped(produce)
    yield* hasRun("old", 20)
    for (let restarts = 0; goesOn(restarts); restarts++) {
      const name = `new ${restarts}`
      const script = yield* started({ build: 2, name })
      yield* hasRun(name, 20)
      yield* stop(script)
    }
    yield* started({ build: 2, name: "last" })
    yield* hasRun("last", 20)
    yield* stop(old)
    // Now nobody else takes the rows of the first build, and programs of that build still enqueue some.
    yield* eventually(summary, ([seen]) => seen!.takenOver >= 5)
    yield* Effect.sync(() => producer.interruptUnsafe())
    yield* empty.pipe(Effect.catchDefect(() => Effect.void))
    const [{ foreign, parked, ...seen }] = (yield* summary) as readonly [Effect.Success<typeof summary>[number]]
    const [rest] = yield* run<{ count: number }>("select count(*)::int as count from pg_task")
    const wrong = [
      ...(parked === 0 ? [] : [`${parked} rows were parked`]),
      ...(rest!.count === 0 ? [] : [`${rest!.count} rows were not worked off`]),
      ...(foreign === 0 ? [] : [`the first build ran ${foreign} steps that it does not have`]),
      ...scripts.flatMap(complaints)
    ]
    return { wrong, ...seen }
  }))

/** The long form, on a server of its own. */
export const rollingDeploy = (millis: number, log: Pick<Logbook, "say" | "wrong">): Effect.Effect<void, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const { url } = yield* EmbeddedPostgres.start()
    const end = performance.now() + millis
    const played = Effect.andThen(Migrations.run, playRollingDeploy(url, () => performance.now() < end))
    const { wrong, ...seen } = yield* Effect.provide(played, client(url))
    log.say(`a rolling deploy: ${JSON.stringify(seen)}`)
    for (const what of wrong) log.wrong(what)
  }))
