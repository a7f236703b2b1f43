/** A worker's parts put together, and its life: start, work, drain, end. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskTableError } from "../../TaskError.ts"
import { CurrentBorrowed } from "../sql/borrowed.ts"
import { BorrowedScopes } from "./borrowedScopes.ts"
import { limitTransactions } from "./transactionLimit.ts"
import type { ClaimedTask, Entry } from "../attempt/claimedTask.ts"
import { AfterCommit, ExtraFollowUps } from "./afterCommit.ts"
import { findCancelled } from "./cancelled.ts"
import { toTableError, isMisconfiguration } from "../sql/errors.ts"
import { Cancels } from "./cancellations.ts"
import { Crowd } from "./crowd.ts"
import { Door } from "./door.ts"
import { type Dispatching, makeDispatching, makeSleeps } from "./dispatching.ts"
import { drain, end } from "./shutdown.ts"
import { noteStarted } from "./launch.ts"
import { Chores } from "./chores.ts"
import { makeFollowUps } from "./followUps.ts"
import { keptHistories, makeToHistory } from "../attempt/history.ts"
import { keepHistory } from "./historyKeeper.ts"
import { keepLeases } from "./leaseRenewal.ts"
import { Database } from "./database.ts"
import { laneByTask } from "./lanes.ts"
import { clientToListen, type Listener } from "./listener.ts"
import { groupOf, listenWith, probesOf } from "./notified.ts"
import { Knocks } from "./knocks.ts"
import { OthersLooks } from "./othersLooks.ts"
import { WorkerMetrics } from "./metrics.ts"
import { notifierOf } from "../enqueue/notifier.ts"
import type { Settings } from "./settings.ts"
import { Pauses } from "./pauses.ts"
import { Pool } from "./pool.ts"
import { Rescue, rescuedAfter } from "./leaseRescue.ts"
import { settleWith } from "./settle.ts"
import { isTraced, runAttempt, type Runner } from "../attempt/attempt.ts"
import { Ticker } from "./ticker.ts"
import type { Waker } from "./wakeup.ts"
import { Quarantine } from "./quarantine.ts"
import type { KnownTask } from "../sql/known.ts"
import { type Place, probe, probeLimits } from "../sql/table.ts"
import { knownOf } from "./unknownStates.ts"
import { Writer } from "./writer.ts"

/** A running worker. */
export interface Runtime {
  readonly id: string
  /** Asks it to stop, and waits until it has. */
  readonly stop: Effect.Effect<void>
  /** Waits until it has stopped, for whatever reason. */
  readonly stopped: Effect.Effect<void>
  readonly health: Effect.Effect<Health>
}

/** How a worker is, for probes and for people. */
export interface Health {
  /** It claims and runs tasks: not stopping or stopped, and not without its database. */
  readonly alive: boolean
  /** Notifications come through. If not, it polls. */
  readonly listening: boolean
  /** How long ago it last asked for tasks with success. None before the first time. An idle worker asks at its poll. */
  readonly lastClaim: Option.Option<Duration.Duration>
  /** How long the tasks of the last claim had been due. Zero for a worker that keeps up. */
  readonly lag: Duration.Duration
  readonly running: number
  readonly buffered: number
}

/** A monotonic clock, in milliseconds: for durations only, never for points in time. */
const now = () => performance.now()

/** Without notifications the poll is all there is. In milliseconds. */
const deafPollInterval = 1000

interface Parts {
  readonly settings: Settings
  readonly pool: Pool
  /** One for the outcomes whose commit waits for the disk, and one for the others. */
  readonly writers: ReadonlyArray<Writer>
  readonly dispatching: Dispatching
  readonly listener: Listener | undefined
  readonly quarantine: Quarantine
  /** Notifies, and waits for that. */
  readonly notifyWorkers: Effect.Effect<void>
  readonly keepLeases: Effect.Effect<never>
  readonly rescue: Rescue
  readonly cancels: Cancels
  readonly wakeup: Waker
  readonly afterCommit: AfterCommit
  /** What nothing else here refers to. */
  readonly others: ReadonlyArray<Effect.Effect<never>>
  /** Completed when somebody wants the worker to stop. */
  readonly stopRequest: Deferred.Deferred<void>
}

interface Core {
  readonly settings: Settings
  readonly database: Database
  readonly metrics: WorkerMetrics
  readonly sql: SqlClient.SqlClient
  readonly runner: Runner
  readonly context: Context.Context<never>
}

const makeCore = Effect.fnUntraced(function*(
  settings: Settings,
  worker: string,
  database: Database,
  metrics: WorkerMetrics
) {
  const sql = yield* SqlClient.SqlClient
  const debug = yield* LogLevel.isEnabled("Debug")
  const { lease, tasks } = settings
  const isCancelled = (claimed: ClaimedTask) =>
    Effect.map(findCancelled({ sql, database, lease, now }, [claimed]), (cancelled) => cancelled.has(claimed.id))
  const runner: Runner = {
    sql,
    limitTransactions: yield* limitTransactions(sql),
    tasks,
    lease,
    isCancelled,
    toHistory: makeToHistory(tasks, now, worker),
    traced: yield* isTraced,
    debug
  }
  // Made flat: what layers add one by one is slow to add to, and each attempt adds its own services.
  const context = Context.makeUnsafe<never>((yield* Effect.context<never>()).mapUnsafe)
  const core: Core = { settings, database, metrics, sql, runner, context }
  return core
})

/** What a claimed row passes: the pool runs its steps, the writers store their outcomes. */
const makePipeline = Effect.fnUntraced(function*(core: Core, known: ReadonlyArray<KnownTask>) {
  const { database, metrics, runner, settings, sql } = core
  const { bufferSize, concurrency, lease } = settings
  const fork = Effect.runForkWith(core.context)
  const sleeps = makeSleeps(settings.tasks, now)
  const { lanes, wakeup } = sleeps
  const outbox = yield* Queue.unbounded<Entry>()
  const asyncOutbox = yield* Queue.unbounded<Entry>()
  const notifyWorkers = Effect.flatten(notifierOf(sql).tell)
  const followUps = [...yield* makeFollowUps(sql), ...yield* ExtraFollowUps]
  const othersLooks = new OthersLooks(now)
  const chores = new Chores({ now, tasks: [...settings.tasks.keys()], othersLooks })
  const afterCommit = new AfterCommit({ database, tell: notifyWorkers, followUps, othersLooks, chores })
  const pauses = new Pauses({ ...core, known, onResumed: () => wakeup.wake() })
  yield* Effect.withTracerEnabled(pauses.load, false)
  const knocks = new Knocks(settings.tasks, now)
  const running: Runner = { door: knocks, isPaused: pauses.isPaused, ...runner }
  const pool = new Pool({
    concurrency,
    bufferSize,
    maxUnrenewed: rescuedAfter(lease),
    now,
    metrics,
    wakeup,
    outbox,
    asyncOutbox,
    afterCommit,
    knocks,
    run: (attempt) => fork(runAttempt(running, attempt)),
    toHistory: runner.toHistory,
    lanes: { count: lanes.length, of: laneByTask(lanes) }
  })
  const door = new Door({ sql, database, now, knocks, pauses, pool, wakeup, afterCommit, chores })
  const writing = { sql, database, lease, metrics, onStored: settleWith({ ...core, now }, pool) }
  const writers = [
    new Writer({ ...writing, isAsync: false, outbox }),
    new Writer({ ...writing, isAsync: true, outbox: asyncOutbox })
  ]
  return { sleeps, wakeup, othersLooks, chores, afterCommit, knocks, door, pauses, pool, writers, notifyWorkers }
})

/** What tells a worker from others, and where its table is. */
interface Identity extends Place {
  readonly id: string
}

/** In the order in which data flows: what hears of due rows comes last, and the dispatcher that claims them. */
const makeParts = Effect.fnUntraced(
  function*(settings: Settings, { encoding, id, schema }: Identity, database: Database, metrics: WorkerMetrics) {
    const core = yield* makeCore(settings, id, database, metrics)
    const known = knownOf(settings.tasks, encoding)
    const pipeline = yield* makePipeline(core, known)
    const { door, othersLooks, pauses, pool } = pipeline
    const { lease, maxCrashes, pollInterval: longestPoll } = settings
    const tasks = [...settings.tasks.keys()]
    const shared = { sql: core.sql, database, pool, tasks, pauses, lease, now }
    const kept = keptHistories(settings.tasks)
    const leases = { ...shared, metrics, maxCrashes, kept, pollInterval: Math.min(longestPoll, lease) }
    const identity = { id, schema, group: groupOf(schema, tasks) }
    const client = yield* clientToListen
    const crowd = new Crowd(now)
    const quarantine = new Quarantine(leases)
    const probe = probesOf(identity, longestPoll, crowd)
    const announce = (rest: number) => client && probe.textOfLook(rest)
    const rescue = new Rescue({ ...leases, announce, othersLooks }, () => quarantine.look())
    const cancels = new Cancels(leases)
    const ticker = new Ticker({ sql: core.sql, database, metrics, recurring: settings.recurring })
    const stopRequest = yield* Deferred.make<void>()
    const notified = { ...pipeline, quarantine, rescue, cancels, crowd, ticker, database, probe, stopRequest }
    const listener = client && listenWith(client, identity, notified)
    const pollInterval = () => listener?.hears === true ? longestPoll : Math.min(longestPoll, deafPollInterval)
    const looking = { rescue, quarantine, listener, crowd, encoding, pollInterval, longestPoll }
    const dispatching = makeDispatching({ ...shared, ...pipeline, ...pipeline.sleeps, ...looking })
    const keepHistories = keepHistory({ ...core, tasks: settings.tasks })
    const parts: Parts = {
      ...pipeline,
      settings,
      dispatching,
      listener,
      quarantine,
      keepLeases: keepLeases(leases),
      rescue,
      cancels,
      others: [door.run, pauses.run(listener), ticker.run(pollInterval), ...dispatching.unknownStates, keepHistories],
      stopRequest
    }
    return parts
  }
)

/** What lasts as long as a worker. */
interface Lifetime {
  readonly borrowed: BorrowedScopes
  readonly database: Database
  readonly ended: Deferred.Deferred<void>
}

/**
 * Forks the parts of a worker. A defect in one of them is a bug of this library: the worker logs it, ends, and no
 * longer renews its leases, so that other workers take over.
 */
const forkParts = Effect.fnUntraced(function*(parts: Parts, { borrowed, database, ended }: Lifetime) {
  const { listener, pool, quarantine, writers } = parts
  const forked: Array<Fiber.Fiber<unknown>> = []
  yield* Effect.addFinalizer(() => end({ fibers: forked, database, borrowed }))
  const crash = (cause: Cause.Cause<never>) =>
    Effect.logFatal("The worker has ended by a bug of effect-pg-task: please report it", cause).pipe(
      Effect.andThen(Effect.sync(() => {
        pool.drain()
        pool.interruptRunning()
        for (const fiber of forked) fiber.interruptUnsafe()
      })),
      Effect.andThen(Deferred.failCause(ended, cause))
    )
  const fork = <A, R>(part: Effect.Effect<A, never, R>) =>
    part.pipe(
      Effect.tapCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.uninterruptible(crash(cause))),
      // Spans of the worker's own statements would only hide those of the steps.
      Effect.withTracerEnabled(false),
      Effect.forkDetach,
      Effect.tap((fiber) => Effect.sync(() => forked.push(fiber)))
    )
  yield* Effect.forEach(writers, (writer) => fork(writer.run))
  yield* fork(parts.keepLeases)
  // What a worker that has stopped needs no more, though its scope may stay open.
  const background = yield* Effect.forEach(
    [parts.rescue.run, quarantine.run, parts.cancels.run, parts.afterCommit.run, ...parts.others],
    fork
  )
  if (listener !== undefined) {
    background.push(yield* fork(listener.run), yield* fork(listener.check))
  }
  const dispatching = yield* fork(parts.dispatching.run)
  const stopping = Deferred.await(parts.stopRequest).pipe(
    Effect.andThen(drain({ ...parts, dispatching, background })),
    Effect.andThen(Deferred.succeed(ended, undefined))
  )
  yield* fork(stopping)
})

/** Where the table is, once it can be used, with those that only limits need. */
const checkTable = (
  database: Database,
  tasks: Settings["tasks"]
): Effect.Effect<Place, TaskTableError | SqlError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const place = yield* database.retryingUnless(probe(sql), isMisconfiguration)
    const hasLimits = [...tasks.values()].some(({ limits }) => limits !== undefined)
    if (hasLimits) yield* database.retryingUnless(probeLimits(sql), isMisconfiguration)
    return place
  }).pipe(Effect.catchTag("SqlError", toTableError))

const healthOf = (parts: Parts, database: Database, ended: Deferred.Deferred<void>): Effect.Effect<Health> =>
  Effect.gen(function*() {
    const stopping = (yield* Deferred.isDone(parts.stopRequest)) || (yield* Deferred.isDone(ended))
    const { lag, lastClaim } = parts.dispatching
    const { buffered, running } = parts.pool.counts
    return {
      alive: !stopping && !database.lost,
      listening: parts.listener?.hears === true,
      lastClaim: Option.map(Option.fromUndefinedOr(lastClaim), (at) => Duration.millis(now() - at)),
      lag: Duration.millis(lag),
      running,
      buffered
    }
  })

const start = Effect.fnUntraced(function*(
  settings: Settings,
  borrowed: BorrowedScopes
): Effect.fn.Return<Runtime, TaskTableError | SqlError, SqlClient.SqlClient | Scope.Scope> {
  const id = crypto.randomUUID()
  const metrics = new WorkerMetrics(yield* Effect.context())
  const database = new Database(metrics)
  yield* Effect.forkScoped(database.watch)
  const place = yield* Effect.withTracerEnabled(checkTable(database, settings.tasks), false)
  const parts = yield* makeParts(settings, { id, ...place }, database, metrics)
  const ended = yield* Deferred.make<void>()
  yield* forkParts(parts, { borrowed, database, ended })
  const stopped = Deferred.await(ended)
  const stop = Effect.andThen(Deferred.succeed(parts.stopRequest, undefined), stopped)
  yield* Effect.addFinalizer(() => Effect.ignoreCause(stop))
  yield* noteStarted(stopped)
  // A `stop_worker` that is sent once we say that we have started must be heard.
  if (parts.listener !== undefined) yield* Effect.timeoutOption(parts.listener.settled, deafPollInterval)
  yield* Effect.logInfo("Worker started")
  return { id, stop, stopped, health: healthOf(parts, database, ended) }
}, (effect, settings, borrowed) =>
  effect.pipe(
    Effect.provideService(CurrentBorrowed, borrowed),
    Effect.annotateLogs({ tasks: [...settings.tasks.keys()].join(", ") })
  ))

/** Starts a worker. It drains when the scope closes. */
export const startWorker = (
  settings: Settings
): Effect.Effect<Runtime, TaskTableError | SqlError, SqlClient.SqlClient | Scope.Scope> =>
  Effect.suspend(() => start(settings, new BorrowedScopes()))
