/** The worker processes: started again whenever one ends, and judged by how it ended. */
import { Effect, Fiber, Latch, type Scope } from "effect"
import * as Script from "../support/process/Script.ts"
import { judgeMemory } from "./Memory.ts"
import type { Random } from "./Random.ts"
import type { Logbook } from "./RunLog.ts"
import type { Variant } from "./WorkerVariant.ts"

/** A worker process that lives. */
export interface Member {
  readonly name: string
  readonly variant: Variant
  readonly script: Script.Script
  /** The longest-lived one, which nobody kills or stops before the end. */
  readonly elder: boolean
  /** What was done to it that must end it. */
  asked: "kill" | "stop" | undefined
  /** Opened when it is asked to stop. */
  readonly stopping: Latch.Latch
}

export interface CrewOptions {
  readonly log: Logbook
  readonly random: Random
  /** The next worker of a slot. */
  readonly variant: (name: string, random: Random) => Variant
}

/** How long a graceful stop may take while the database is away, in milliseconds. */
const patience = 120_000

const tail = (script: Script.Script) => script.lines().slice(-25).join("\n    ")

const hasStarted = ({ script }: Member) => script.lines().some((line) => line.includes("Worker started"))

const hasPoison = ({ script }: Member) => script.lines().some((line) => line.startsWith("poisoned"))

/** What a worker says when it has ended of itself. */
const lastWords = ({ script }: Member) => script.lines().find((line) => line.startsWith("left "))

export class Crew {
  readonly members = new Set<Member>()
  /** `stop_worker` was sent: a worker may end unasked. */
  stopSent = false
  /** How often each step was interrupted, by its place, in processes that have ended. */
  readonly interruptions = new Map<string, number>()
  /** Workers that interrupted steps at their stop: also some that were only being stored, which can't tell. */
  readonly interrupters = new Set<string>()
  private readonly options: CrewOptions
  /** How many of its lines were read for each member's hiccups. */
  private readonly read = new WeakMap<Member, number>()
  /** The longest one of those that have ended. */
  private lastHiccup = 0
  private readonly hiring = Latch.makeUnsafe(true)
  private readonly slots: Array<Fiber.Fiber<void>> = []
  private closing = false
  private hired = 0

  constructor(options: CrewOptions) {
    this.options = options
  }

  /** Those that faults may hit, in the order in which they were started. */
  get victims(): ReadonlyArray<Member> {
    return [...this.members].filter(({ asked, elder }) => asked === undefined && !elder)
  }

  /** Adds a slot: a worker, and whoever follows it. */
  hire(elder?: Variant): Effect.Effect<void, never, Scope.Scope> {
    const random = this.options.random.fork(`slot ${this.slots.length}`)
    const life = Effect.andThen(
      this.hiring.await,
      Effect.suspend(() => {
        if (this.closing) return Effect.void
        const variant = elder ?? this.options.variant(`worker ${++this.hired}`, random)
        return Effect.andThen(Effect.scoped(this.live(variant, elder !== undefined)), Effect.sleep(random.int(0, 500)))
      })
    )
    const slot = Effect.whileLoop({ while: () => !this.closing, body: () => life, step: () => {} })
    return Effect.map(Effect.forkScoped(slot), (fiber) => void this.slots.push(fiber))
  }

  kill(member: Member): Effect.Effect<void> {
    member.asked = "kill"
    return member.script.kill("SIGKILL")
  }

  /** Asks it to stop gracefully, and doesn't wait. */
  stop(member: Member): Effect.Effect<void> {
    member.asked ??= "stop"
    member.stopping.openUnsafe()
    return Effect.andThen(member.script.kill("SIGTERM"), this.thaw(member))
  }

  freeze(member: Member): Effect.Effect<void> {
    return member.script.kill("SIGSTOP")
  }

  thaw(member: Member): Effect.Effect<void> {
    return member.script.kill("SIGCONT")
  }

  /** Stops everybody but the elder, and does something before others are hired. */
  replaceAll<A, E>(meanwhile: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return this.hiring.close.pipe(
      Effect.andThen(Effect.suspend(() => this.dismissed(this.victims))),
      Effect.andThen(meanwhile),
      Effect.ensuring(this.hiring.open)
    )
  }

  /** The longest time for which a worker had no turn, since this was last asked, in milliseconds. */
  hiccup(): number {
    const longest = Math.max(this.lastHiccup, ...[...this.members].map((member) => this.hiccupOf(member)))
    this.lastHiccup = 0
    return longest
  }

  private hiccupOf(member: Member): number {
    const lines = member.script.lines()
    const fresh = lines.slice(this.read.get(member) ?? 0)
    this.read.set(member, lines.length)
    return Math.max(
      0,
      ...fresh.filter((line) => line.startsWith("late ")).map((line) => Number(line.slice("late ".length)))
    )
  }

  /** Waits until every slot has a worker that works. */
  get ready(): Effect.Effect<void> {
    const isReady = () => this.members.size >= this.slots.length && [...this.members].every(hasStarted)
    return Effect.whileLoop({ while: () => !isReady(), body: () => Effect.sleep(100), step: () => {} })
  }

  /** Stops everybody, and hires nobody again. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.closing = true
      return Effect.andThen(
        this.dismissed([...this.members]),
        Effect.forEach(this.slots, Fiber.join, { discard: true })
      )
    })
  }

  private dismissed(members: ReadonlyArray<Member>): Effect.Effect<void> {
    return Effect.forEach(members, (member) => Effect.andThen(this.stop(member), member.script.exit), {
      concurrency: "unbounded",
      discard: true
    })
  }

  private live(variant: Variant, elder: boolean): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function*() {
      const script = yield* Script.run("test/faults/scripts/worker.ts", { env: { VARIANT: JSON.stringify(variant) } })
      const stopping = yield* Latch.make()
      const member: Member = { name: variant.name, variant, script, elder, asked: undefined, stopping }
      this.members.add(member)
      this.options.log.count("workers started")
      yield* Effect.forkScoped(this.watch(member))
      const exit = yield* script.exit
      this.members.delete(member)
      this.lastHiccup = Math.max(this.lastHiccup, this.hiccupOf(member))
      this.noteInterruptions(member)
      this.judge(member, exit)
    })
  }

  /** A worker that was told to stop, and hangs. */
  private watch(member: Member): Effect.Effect<void> {
    const hangs = Effect.sync(() =>
      this.options.log.wrong(`${member.name} hangs at its stop:\n    ${tail(member.script)}`)
    )
    return member.stopping.await.pipe(
      Effect.andThen(Effect.sleep(patience)),
      Effect.andThen(hangs),
      Effect.andThen(Effect.suspend(() => this.kill(member)))
    )
  }

  private noteInterruptions({ name, script }: Member): void {
    for (const line of script.lines()) {
      if (line.includes("Interrupting ")) this.interrupters.add(name)
      if (!line.startsWith("interrupted ")) continue
      const place = line.slice("interrupted ".length)
      this.interruptions.set(place, (this.interruptions.get(place) ?? 0) + 1)
    }
  }

  private judge(member: Member, exit: number | NodeJS.Signals): void {
    const { log } = this.options
    const { asked, name, script } = member
    if (exit === "SIGKILL") log.count(asked === "kill" ? "workers killed" : "workers killed by their own step")
    if (exit === "SIGKILL" && (asked === "kill" || hasPoison(member))) return
    // Before it could say what to do about it.
    if (exit === "SIGTERM" && asked === "stop" && !hasStarted(member)) return
    if (this.hasStopped(member, exit)) return this.judgeEnd(member)
    log.wrong(`${name} ended with ${exit}: ${JSON.stringify(member.variant)}\n    ${tail(script)}`)
  }

  private hasStopped(member: Member, exit: number | NodeJS.Signals): boolean {
    const wasTold = member.asked === "stop" || this.stopSent
    // Told once more when it had said all: at the very end Node listens to no signal.
    return wasTold && (exit === 0 || (exit === "SIGTERM" && lastWords(member) !== undefined))
  }

  private judgeEnd(member: Member): void {
    const { log } = this.options
    const { name, script, variant } = member
    log.count("workers stopped")
    const left = lastWords(member)
    if (left !== `left {"fibers":0,"resources":[]}`) {
      log.wrong(`${name} left something behind: ${left}\n    ${JSON.stringify(variant)}`)
    }
    judgeMemory(name, script.lines(), log)
  }
}
