/**
 * The counts that all pages show: taken by one fiber, only while somebody looks. It rests for twenty times as long as
 * the counting took, so that all viewers together cost at most a twentieth of one connection. What takes longer than a
 * quarter of a second is not counted to its end.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as Activity from "../Activity.ts"
import * as Admin from "../Admin.ts"

/** Numbers per second. */
export interface Rates {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

/** What plots show of one sample. */
export interface Moment {
  /** In milliseconds since 1970, as all times here. */
  readonly at: number
  /** What waits for a worker, what runs, and what is parked, by the name of the task. */
  readonly ready: ReadonlyMap<string | null, number>
  readonly running: ReadonlyMap<string | null, number>
  readonly parked: ReadonlyMap<string | null, number>
  readonly rates: Rates | undefined
}

/** The statuses whose numbers are plotted for each task. */
export const plotted = ["ready", "running", "parked"] as const

/** One look at the table. */
export interface Sample {
  readonly at: number
  /** How long it took, in milliseconds. */
  readonly took: number
  readonly counts: ReadonlyArray<Activity.BoundedCount>
  /** Since the sample before. */
  readonly rates: Rates | undefined
  /** The samples of the last minutes, this one included. */
  readonly history: ReadonlyArray<Moment>
}

/** `undefined`: nothing was counted yet. A text says why nothing can be counted. */
export type Look = Sample | string | undefined

/** Hands out samples. */
export interface Sampler {
  /** The latest sample, and each that follows, for as long as the scope is open. */
  readonly looks: Effect.Effect<Stream.Stream<Look>, never, Scope.Scope>
  /** One sample: the latest, or the first. A text says why there is none. */
  readonly look: Effect.Effect<Sample | string>
}

/** How long samples are kept for the plots. */
export const remembered = Duration.minutes(10)

/** Rests this many times as long as a sample took. */
const restFactor = 20

/** In milliseconds. */
const minRest = 1000
/** A database that is away may be back at any time. */
const maxFailedRest = 60_000
const maxCost = 250

/** Rows of each task. */
const firstCap = 5000
const minCap = 1000
const maxCap = 10_000_000

/** What is cheap enough is counted this many times further. */
const growth = 4

/** A database that does not answer holds up no page for longer. */
const timeout = "10 seconds"

const sumBy = (counts: ReadonlyArray<Activity.BoundedCount>, status: Admin.Status) => {
  const sums = new Map<string | null, number>()
  for (const one of counts) {
    if (one.status === status) sums.set(one.task, (sums.get(one.task) ?? 0) + one.count)
  }
  return sums
}

/** Statistics may be reset, and come late: then there is no rate. */
const ratesOf = (now: Activity.Traffic, before: Activity.Traffic, seconds: number): Rates | undefined => {
  const per = (key: keyof Activity.Traffic) => (now[key] - before[key]) / seconds
  const rates = { inserted: per("inserted"), updated: per("updated"), deleted: per("deleted") }
  return Object.values(rates).every((rate) => rate >= 0) ? rates : undefined
}

/** What samples are made of. */
interface Source<R> {
  /** Counts up to this many rows of each task. */
  readonly counts: (cap: number) => Effect.Effect<Sample["counts"], SampleError, R>
  readonly traffic: Effect.Effect<Activity.Traffic, SampleError, R>
}

/** Takes samples, and remembers what the next one needs of those before. */
class Memory<R> {
  private readonly source: Source<R>
  private cap = firstCap
  private history: ReadonlyArray<Moment> = []
  private before: { readonly at: number; readonly traffic: Activity.Traffic } | undefined

  constructor(source: Source<R>) {
    this.source = source
  }

  get take(): Effect.Effect<Sample, SampleError, R> {
    const { counts, traffic } = this.source
    return Effect.suspend(() => Effect.timed(Effect.zip(counts(this.cap), traffic))).pipe(
      Effect.zipWith(
        Clock.currentTimeMillis,
        ([took, [counts, traffic]], at) => this.note({ at, took: Duration.toMillis(took), counts, traffic })
      )
    )
  }

  private note(
    { at, counts, took, traffic }: Pick<Sample, "at" | "took" | "counts"> & { readonly traffic: Activity.Traffic }
  ): Sample {
    if (took > maxCost) this.cap = Math.max(minCap, Math.floor(this.cap / 2))
    else if (took < maxCost / growth && counts.some(({ atLeast }) => atLeast)) {
      this.cap = Math.min(maxCap, this.cap * growth)
    }
    const rates = this.before && ratesOf(traffic, this.before.traffic, (at - this.before.at) / 1000)
    this.before = { at, traffic }
    const moment = {
      at,
      ready: sumBy(counts, "ready"),
      running: sumBy(counts, "running"),
      parked: sumBy(counts, "parked"),
      rates
    }
    this.history = [
      ...this.history.filter((one) => at - one.at <= Duration.toMillis(remembered)),
      moment
    ]
    return { at, took, counts, rates, history: this.history }
  }
}

/** Takes one sample after the other of this. */
export const makeTake = <R>(source: Source<R>): Effect.Effect<Sample, SampleError, R> => new Memory(source).take

const isKnown = (look: Look): look is Sample | string => look !== undefined

type SampleError = Effect.Error<typeof Activity.traffic>

const reasonOf = (error: SampleError): string => error._tag === "SqlError" ? Admin.messageOf(error) : error.message

const restAfter = (look: Look, took: number): number =>
  typeof look === "string"
    ? Math.min(maxFailedRest, Math.max(minRest, took * restFactor))
    : Math.max(minRest, (look?.took ?? took) * restFactor)

/** Takes samples until it is interrupted. Never fails: what can't be counted now is counted later. */
const watch = <R>(
  take: Effect.Effect<Sample, SampleError, R>,
  latest: SubscriptionRef.SubscriptionRef<Look>
): Effect.Effect<never, never, R> =>
  take.pipe(
    Effect.catch((error) => Effect.succeed(reasonOf(error))),
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.succeed(`The database didn't answer within ${timeout}`)
    }),
    Effect.tap((look) => SubscriptionRef.set(latest, look as Look)),
    Effect.timed,
    Effect.flatMap(([took, look]) => Effect.sleep(restAfter(look, Duration.toMillis(took)))),
    Effect.forever,
    // Spans of these regular statements would only hide the others.
    Effect.withTracerEnabled(false)
  )

/** Makes a sampler of what takes one sample. It goes on for some seconds after the last viewer has left: pages without scripts come one by one. */
export const makeSamplerOf = Effect.fnUntraced(function*<R>(
  take: Effect.Effect<Sample, SampleError, R>
): Effect.fn.Return<Sampler, never, Scope.Scope | R> {
  const watched = yield* RcRef.make({
    acquire: Effect.gen(function*() {
      const latest = yield* SubscriptionRef.make<Look>(undefined)
      yield* Effect.forkScoped(watch(take, latest))
      return latest
    }),
    idleTimeToLive: "5 seconds"
  })
  const looks = Effect.map(RcRef.get(watched), SubscriptionRef.changes)
  return {
    looks,
    look: Effect.scoped(Effect.flatMap(looks, (all) => Stream.runHead(Stream.filter(all, isKnown)))).pipe(
      Effect.map((found) => found._tag === "Some" ? found.value : "The dashboard is stopping")
    )
  }
})

/** Makes a sampler of the table. */
export const makeSampler: Effect.Effect<Sampler, never, Scope.Scope | SqlClient> = Effect.suspend(() =>
  makeSamplerOf(makeTake(Activity))
)
