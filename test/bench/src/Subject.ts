/**
 * What is measured: a library (or a floor: the same work without any library), behind one small interface.
 * Everything a workload does, it does through this interface, so that no subject is favoured by its driver.
 */

/** The subjects' names, as `--peers` takes them. One file each in `subjects/`. */
export const subjectNames = [
  "floor",
  "floorTable",
  "floorNotify",
  "floorWaits",
  "ours",
  "oursAsync",
  "oursKeyed",
  "graphile",
  "pgBoss",
  "persistedQueue",
  "absurd",
  "dbos",
  "openWorkflow",
  "effectWorkflow",
  "rust"
] as const

export type SubjectName = (typeof subjectNames)[number]

/** One task, the same for every subject: `steps` steps that do nothing, or wait when `waits` is set. */
export interface Job {
  readonly seq: number
  readonly steps: number
  readonly waits: boolean
  /** When it was handed to the library, in ms (see `now`); 0 where nobody asks. */
  readonly sentAt: number
  /** Of its group only {@link perGroup} tasks may run at the same time. Only the subjects of such workloads know groups. */
  readonly group?: { readonly name: string; readonly nth: number }
}

/** How many tasks of one group may run at the same time. */
export const perGroup = 2

/**
 * The body of a step. Every handler calls it with the step's index and awaits what it returns, if anything: a no-op
 * step must not pay for a promise that only a waiting step needs.
 */
export type StepBody = (job: Job, index: number) => Promise<void> | undefined

/** The side that enqueues. */
export interface Producer {
  readonly one: (job: Job) => Promise<unknown>
  /** All jobs, in the fastest way the library documents. */
  readonly all: (jobs: ReadonlyArray<Job>) => Promise<unknown>
  readonly close: () => Promise<unknown>
}

/** A running worker. */
export interface Worker {
  readonly stop: () => Promise<unknown>
}

export interface WorkOptions {
  readonly body: StepBody
  /** Steps at a time; without it, what the subject does best with. */
  readonly concurrency: number | undefined
  /** Its jobs have groups. */
  readonly grouped: boolean
}

export interface Subject {
  /** Set when it can't run here: what is missing. It is then left out, and the report says why. */
  readonly missing?: string
  /** Name and version, as the report prints it. */
  readonly title: string
  /** The settings used, in one line: they are part of the result. */
  readonly settings: string
  /** The table in which its tasks wait. */
  readonly table: string
  /** The condition on `table` that holds for a task that is not yet stored as done. */
  readonly unfinished: string
  /** Creates the library's schema in a fresh database. */
  readonly prepare: (url: string) => Promise<unknown>
  readonly connect: (url: string) => Promise<Producer>
  /** Resolves when the worker runs. */
  readonly work: (url: string, options: WorkOptions) => Promise<Worker>
  /**
   * Two tasks of one worker that send each other a message, so many times to and fro; answers how long that took, in ms.
   * Each message and what it causes are stored before the next one is sent.
   */
  readonly pingPong?: (url: string, rounds: number) => Promise<number>
  /** Runs one-step tasks on a worker, one after the other, and waits for the result of each; answers how long each took. */
  readonly execute?: (url: string, tasks: number) => Promise<ReadonlyArray<number>>
  /** Statements that fill the table with rows no worker is to touch (workload 7), those that are `unfinished` first. */
  readonly backlog?: (sizes: BacklogSizes) => ReadonlyArray<string>
}

export interface BacklogSizes {
  /** Tasks that are due tomorrow. */
  readonly waiting: number
  /** Tasks that failed for good. */
  readonly parked: number
  /** Ready tasks of a kind that no running worker knows, older than all others. */
  readonly foreign: number
}

/** Milliseconds on a clock that all processes of this machine share. */
export const now = (): number => performance.timeOrigin + performance.now()

/** 5–50 ms, spread evenly, the same for every subject. */
export const waitOf = (job: Job, index: number): number => 5 + ((job.seq * 31 + index * 17 + 7) % 46)

export const makeJobs = (count: number, steps = 1, waits = false): Array<Job> =>
  Array.from({ length: count }, (_, seq) => ({ seq, steps, waits, sentAt: 0 }))

/** Jobs of one step, spread evenly over so many groups. */
export const makeGroupedJobs = (count: number, groups: number): Array<Job> =>
  makeJobs(count).map((job) => ({ ...job, group: groupOf(job.seq, groups) }))

export const groupOf = (seq: number, groups: number) => ({
  name: `group ${seq % groups}`,
  nth: Math.floor(seq / groups)
})

/** Cuts `items` into pieces of at most `size`. */
export const chunksOf = <A>(items: ReadonlyArray<A>, size: number): Array<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))

/** Runs `f` on every item, `inFlight` at a time, in order of start. */
export const forEachInFlight = async <A>(
  items: ReadonlyArray<A>,
  inFlight: number,
  f: (item: A) => Promise<unknown>
): Promise<void> => {
  let next = 0
  const lane = async () => {
    while (next < items.length) await f(items[next++]!)
  }
  await Promise.all(Array.from({ length: Math.min(inFlight, items.length) }, lane))
}
