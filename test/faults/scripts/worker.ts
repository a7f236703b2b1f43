/**
 * A worker process that runs journeys until it is told to stop. `VARIANT`, in its environment, is JSON: see
 * `WorkerVariant.ts`.
 *
 * When it has ended it says what is left of it, and does not end the process itself: a socket or a timer that leaked
 * keeps it alive.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import type * as SqlClient from "effect/sql/SqlClient"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { ExtraFollowUps, type FollowUp } from "../../../src/internal/worker/afterCommit.ts"
import { ParentsLook } from "../../../src/internal/worker/followUps.ts"
import * as Worker from "../../../src/Worker.ts"
import { makeJourney, makeOlder } from "../PlannedTask.ts"
import { makeJoinNotes } from "../joins/JoinTables.ts"
import { makeLimitNotes } from "../limits/LimitTables.ts"
import { makeLimited } from "../limits/LimitTask.ts"
import { makeTalking } from "../joins/TalkTask.ts"
import { makeTree } from "../joins/TreeTask.ts"
import { makeNotes } from "../EffectTables.ts"
import { ticking } from "../ticks/TickTasks.ts"
import type { Variant } from "../WorkerVariant.ts"

const variant = JSON.parse(process.env["VARIANT"]!) as Variant

const realNow = Date.now
Date.now = () => realNow() + variant.clockOffset

const say = (line: string) => void process.stdout.write(`${line}\n`)

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20)

const sayMemory = () => {
  collectGarbage()
  const { heapUsed, rss } = process.memoryUsage()
  say(`memory ${JSON.stringify({ heap: megabytes(heapUsed), rss: megabytes(rss) })}`)
}
const memoryTimer = setInterval(sayMemory, variant.sayMemoryEvery).unref()

/** Says when this process had no turn for long: on a machine that is too busy, leases end without any fault. */
const lookEvery = 200
let lookedAt = performance.now()
const lateTimer = setInterval(() => {
  const late = performance.now() - lookedAt - lookEvery
  lookedAt += late + lookEvery
  if (late > lookEvery) say(`late ${Math.round(late)}`)
}, lookEvery).unref()

let fibers = 0
const countFibers = Context.make(Metric.FiberRuntimeMetrics, {
  recordFiberStart: () => void fibers++,
  recordFiberEnd: () => void fibers--
})

class Observer extends Context.Service<Observer, SqlClient.SqlClient>()("test/faults/Observer") {}

const observer = Layer.effect(Observer, PgClient.PgClient).pipe(
  Layer.provide(PgClient.layer({
    url: Redacted.make(variant.observerUrl),
    maxConnections: 3,
    applicationName: `${variant.name} observer`
  }))
)

const database = PgClient.layer({
  url: Redacted.make(variant.url),
  maxConnections: variant.maxConnections,
  multiplex: variant.multiplex,
  prepare: variant.prepare,
  applicationName: variant.name,
  startupParameters: variant.settings
})

/** Dies in the same turn in which the writer hands it the stored end of a child: before any statement follows. */
const dyingBeforeTelling: FollowUp = {
  concerns: ({ claimed, outcome }) => {
    if (outcome._tag === "Finished" && claimed.facts?.includes("parent") && Math.random() < variant.diesBeforeTelling) {
      say("poisoned by the end of a child")
      process.kill(process.pid, "SIGKILL")
    }
    return false
  },
  work: () => Effect.void,
  every: Infinity
}

const program = Effect.gen(function*() {
  const notes = makeNotes(yield* Observer, variant.name)
  const { build, options, tasks } = variant
  const [keyed, ticks] = [makeJourney("Keyed", notes), ticking(build)]
  const joinNotes = makeJoinNotes(yield* Observer)
  switch (tasks) {
    case "all":
      return yield* Worker.run({
        ...options,
        tasks: [
          makeJourney("Journey", notes),
          makeJourney("Errand", notes),
          makeTalking(joinNotes),
          makeLimited(makeLimitNotes(yield* Observer, realNow)),
          ...makeTree(joinNotes),
          keyed,
          ...ticks
        ]
      })
    case "journeys":
      return yield* Worker.run({ ...options, tasks: [makeJourney("Journey", notes)] })
    case "errands":
      return yield* Worker.run({ ...options, tasks: [makeJourney("Errand", notes), keyed, ...ticks] })
    case "older":
      return yield* Worker.run({
        ...options,
        tasks: [makeOlder("Journey", notes), makeOlder("Errand", notes), keyed, ...ticks]
      })
  }
}).pipe(
  Effect.provide(Layer.merge(observer, database)),
  Effect.provideService(ParentsLook, variant.looksForParents ?? Infinity),
  Effect.provideService(ExtraFollowUps, variant.diesBeforeTelling > 0 ? [dyingBeforeTelling] : []),
  Effect.scoped
)

const main = Effect.runForkWith(countFibers)(program)

process.on("SIGTERM", () => main.interruptUnsafe())

/** The pipes of stdout and stderr are no leak. */
const leftovers = () =>
  process.getActiveResourcesInfo().filter((name) => !/Pipe|TTY|SignalWrap|FSReq|Immediate/.test(name))

/** Says what is left. Sockets close when the server has closed them, too: on a busy machine that takes a while. */
const sayLeft = (looks: number): void => {
  // This timer itself is none that leaked.
  setTimeout(() =>
    setImmediate(() => {
      const resources = leftovers()
      if (looks > 1 && (fibers > 0 || resources.length > 0)) return sayLeft(looks - 1)
      say(`left ${JSON.stringify({ fibers, resources })}`)
    }), 500)
}

main.addObserver((exit) => {
  clearInterval(memoryTimer)
  clearInterval(lateTimer)
  if (Exit.isFailure(exit) && !Exit.hasInterrupts(exit)) {
    say(`failed: ${String(exit.cause)}`)
    process.exitCode = 1
  }
  sayLeft(20)
})
