import type { Description } from "./Commands.ts"
import { Results } from "./Results.ts"
import type { Database, Server } from "./Server.ts"
import type { SubjectName } from "./Subject.ts"
import { SubjectProcess } from "./SubjectProcess.ts"
import type { Workload } from "./Workload.ts"

export interface BenchOptions {
  readonly peers: ReadonlyArray<SubjectName>
  readonly rounds: number
  /** Sizes and durations are divided by this: 1 for a full run. */
  readonly divisor: number
  /** The full five minutes of workload 8 and the full minute of workload 10. */
  readonly long: boolean
}

/** One run: the server, the processes of the workload at hand, and what was measured so far. */
export class Bench {
  readonly results = new Results()
  readonly descriptions = new Map<SubjectName, Description>()
  readonly errors: Array<string> = []
  private readonly processes = new Map<SubjectName, Array<SubjectProcess>>()
  private readonly kept = new Map<string, Promise<Database>>()
  /** Of the workload at hand. */
  private commitWait: number | undefined
  readonly server: Server
  readonly options: BenchOptions

  constructor(server: Server, options: BenchOptions) {
    this.server = server
    this.options = options
  }

  /** A duration, shorter in a quick run. */
  seconds(full: number): number {
    return Math.max(2, full / this.options.divisor)
  }

  /**
   * The subject's processes, by index. They stay for all rounds of a workload, so that what is measured has run for a
   * while, as a service has. Number 0 does all that one process does.
   */
  async process(subject: SubjectName, index = 0): Promise<SubjectProcess> {
    const running = this.processes.get(subject) ?? []
    this.processes.set(subject, running)
    running[index] ??= await SubjectProcess.start(subject)
    if (!this.descriptions.has(subject)) this.descriptions.set(subject, await running[index].call("describe"))
    return running[index]
  }

  /** Runs `f` on a fresh database with the subject's schema. */
  async withDatabase<A>(
    subject: SubjectName,
    f: (database: Database, process: SubjectProcess) => Promise<A>
  ): Promise<A> {
    const process = await this.process(subject)
    const database = await this.server.fresh(this.commitWait)
    try {
      await process.call("prepare", { url: database.url })
      return await f(database, process)
    } finally {
      await database.drop()
    }
  }

  /** A database that is made once per workload and subject, to be copied from. */
  keep(key: string, make: () => Promise<Database>): Promise<Database> {
    const kept = this.kept.get(key) ?? make()
    this.kept.set(key, kept)
    return kept
  }

  /**
   * All rounds of a workload, the subjects in turn: every second round in the other direction, because each pays a
   * little for what the one before has left to be written.
   */
  async run(workload: Workload): Promise<void> {
    this.commitWait = workload.commitWait
    const rounds = Math.min(this.options.rounds, workload.rounds ?? Infinity)
    const subjects = this.options.peers.filter((subject) => workload.sizes[subject] !== undefined)
    console.error(`\n(${workload.number}) ${workload.title}: ${subjects.join(", ")}`)
    const failed = new Set(await this.leaveOut(workload, subjects))
    for (let round = workload.warmUp ? 0 : 1; round <= rounds; round++) {
      for (const subject of round % 2 === 0 ? subjects.toReversed() : subjects) {
        if (failed.has(subject)) continue
        const measured = round === 0
          ? await this.warmUp(workload, subject)
          : await this.measure(workload, subject, round)
        if (!measured) failed.add(subject)
      }
    }
    await this.endWorkload()
  }

  /** Those of the subjects that can't run here. */
  private async leaveOut(
    workload: Workload,
    subjects: ReadonlyArray<SubjectName>
  ): Promise<ReadonlyArray<SubjectName>> {
    const missing: Array<SubjectName> = []
    for (const subject of subjects) {
      try {
        await this.process(subject)
        if (this.descriptions.get(subject)?.missing !== undefined) missing.push(subject)
      } catch (error) {
        this.failed(workload, subject, error)
        missing.push(subject)
      }
    }
    return missing
  }

  private failed({ number }: Workload, subject: SubjectName, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    this.errors.push(`(${number}) ${subject}: ${message.split("\n")[0]}`)
    console.error(`  ${subject} failed: ${message}`)
  }

  /** Round 0, not counted: the same work again and again, until it has run long enough to be compiled. */
  private async warmUp(workload: Workload, subject: SubjectName): Promise<boolean> {
    const until = performance.now() + warmUpMs / this.options.divisor
    do {
      if (!(await this.measure(workload, subject, 0))) return false
    } while (performance.now() < until)
    return true
  }

  private async measure(workload: Workload, subject: SubjectName, round: number): Promise<boolean> {
    const size = Math.max(1, Math.round(workload.sizes[subject]! / this.options.divisor))
    try {
      const figures = await within(
        this.options.long ? 600 : workload.seconds ?? 180,
        workload.measure(this, subject, size)
      )
      if (round === 0) return true
      this.results.add(workload.number, subject, figures)
      console.error(`  round ${round} ${subject}: ${format(figures)}`)
      return true
    } catch (error) {
      this.failed(workload, subject, error)
      this.closeProcesses(subject)
      return false
    }
  }

  private closeProcesses(subject: SubjectName): void {
    for (const process of this.processes.get(subject) ?? []) process.close()
    this.processes.delete(subject)
  }

  private async endWorkload(): Promise<void> {
    for (const subject of this.processes.keys()) this.closeProcesses(subject)
    for (const database of this.kept.values()) await (await database).drop()
    this.kept.clear()
  }
}

/** Long services are what is compared, not the first second of a process. */
const warmUpMs = 1500

/** Fails after that many seconds, so that one stuck subject doesn't stop the run. */
const within = async <A>(seconds: number, promise: Promise<A>): Promise<A> => {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${seconds} s`)), seconds * 1000)
  })
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer))
}

const format = (figures: Readonly<Record<string, number>>): string =>
  Object.entries(figures)
    .map(([measure, value]) => `${value < 100 ? value.toFixed(2) : Math.round(value)} ${measure}`)
    .join(", ")
