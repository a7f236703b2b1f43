import { countStatements } from "./StatementCounter.ts"
import { now, waitOf } from "./Subject.ts"
import type { Job, StepBody } from "./Subject.ts"

/** What a worker process saw. */
export interface Stats {
  /** When its first step started, in ms (see `now`); 0 while none has. */
  readonly first: number
  readonly steps: number
  readonly tasks: number
  /** From just before the enqueue to the first step's start, in ms, of jobs that carry `sentAt`. */
  readonly latencies: ReadonlyArray<number>
  readonly windows: ReadonlyArray<Window>
  /** User and system time of the process so far. */
  readonly cpuMs: number
  /** Statements that the process has sent on connections of its workers. */
  readonly statements: number
}

/** One second of work. */
export interface Window {
  tasks: number
  latencyMax: number
}

// Enough for every percentile asked for; a steady feed of a million tasks must not fill the memory.
const maxLatencies = 10_000

/** The body of every step of one worker process, and what it counts. */
export class Recorder {
  private first = 0
  private steps = 0
  private tasks = 0
  private latencies: Array<number> = []
  private windows: Array<Window> = []
  private target = Infinity
  private reached = (): void => {}
  private readonly statements: (() => number) | undefined
  private readonly step: number | undefined

  /** `step`: how long each step takes, in ms, whatever its job says. Then statements are counted, too. */
  constructor(step?: number) {
    this.step = step
    this.statements = step === undefined ? undefined : countStatements()
  }

  readonly body: StepBody = (job, index) => {
    if (this.steps++ === 0) this.first = now()
    if (index === 0 && job.sentAt > 0) this.pickedUp(now() - job.sentAt)
    const wait = this.step ?? (job.waits ? waitOf(job, index) : 0)
    if (wait === 0) return this.ended(job, index)
    return new Promise((resolve) => setTimeout(() => resolve(this.ended(job, index)), wait))
  }

  /** Resolves once that many tasks have run their last step. */
  waitFor(tasks: number): Promise<void> {
    return new Promise((resolve) => {
      this.target = tasks
      this.reached = resolve
      if (this.tasks >= tasks) resolve()
    })
  }

  stats(): Stats {
    const { user, system } = process.cpuUsage()
    return {
      first: this.first,
      steps: this.steps,
      tasks: this.tasks,
      latencies: this.latencies,
      windows: Array.from(this.windows, (window) => window ?? { tasks: 0, latencyMax: 0 }),
      cpuMs: (user + system) / 1000,
      statements: this.statements?.() ?? 0
    }
  }

  private pickedUp(latency: number): void {
    if (this.latencies.length < maxLatencies) this.latencies.push(latency)
    const window = (this.windows[Math.floor((now() - this.first) / 1000)] ??= { tasks: 0, latencyMax: 0 })
    window.tasks++
    window.latencyMax = Math.max(window.latencyMax, latency)
  }

  private ended(job: Job, index: number): undefined {
    if (index === job.steps - 1 && ++this.tasks === this.target) this.reached()
  }
}
