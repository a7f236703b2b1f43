import pg from "pg"
import { Recorder } from "./Recorder.ts"
import type { Stats } from "./Recorder.ts"
import { forEachInFlight, groupOf, makeGroupedJobs, makeJobs, now } from "./Subject.ts"
import type { Job, Producer, Subject, Worker } from "./Subject.ts"

/** A subject's data, for the report and for the parent's own look at the table. */
export type Description = Pick<Subject, "missing" | "title" | "settings" | "table" | "unfinished">

/**
 * What the parent can ask of a subject's process. Arguments and results cross the process border, so they are plain
 * data. Durations are in ms.
 */
export interface Commands {
  readonly describe: () => Promise<Description>
  readonly prepare: (request: { url: string }) => Promise<void>
  readonly backlog: (request: { url: string; waiting: number; parked: number; foreign: number }) => Promise<void>
  /** Enqueues in bulk, with this many groups or without; answers how long it took. */
  readonly fill: (request: FillRequest) => Promise<number>
  /** Enqueues one by one; answers how long it took. */
  readonly single: (request: { url: string; tasks: number; inFlight: number }) => Promise<number>
  /** Works until `tasks` tasks are stored as done; answers how long that took from the first step's start. */
  readonly drain: (request: DrainRequest) => Promise<number>
  /** Starts a worker, or several, each with connections of its own. `step`: how long each step takes. */
  readonly serve: (request: ServeRequest) => Promise<void>
  readonly stats: () => Promise<Stats>
  readonly stop: () => Promise<Stats>
  /** Enqueues one task after the other, `gap` ms apart and jittered, each stamped with the time. */
  readonly trickle: (request: TrickleRequest) => Promise<void>
  /** See `Subject`. */
  readonly pingPong: (request: { url: string; rounds: number }) => Promise<number>
  readonly execute: (request: { url: string; tasks: number }) => Promise<ReadonlyArray<number>>
  /** Inserts by plain SQL, from many sessions at the same time; answers how many tasks a second. */
  readonly insertBySql: (request: InsertRequest) => Promise<number>
  /** Enqueues in bulk at a steady rate; answers how many. */
  readonly feed: (request: { url: string; perSecond: number; seconds: number }) => Promise<number>
}

export interface FillRequest {
  readonly url: string
  readonly tasks: number
  readonly steps?: number
  readonly waits?: boolean
  /** How many groups the tasks have. Default: none. */
  readonly groups?: number
}

export interface TrickleRequest {
  readonly url: string
  readonly tasks: number
  readonly gap: number
  /** As for `fill`. */
  readonly groups?: number
}

export interface InsertRequest {
  readonly url: string
  readonly clients: number
  readonly seconds: number
  readonly inTransaction: boolean
  /** Without the table's triggers. */
  readonly silent: boolean
}

export interface ServeRequest {
  readonly url: string
  readonly concurrency?: number
  readonly workers?: number
  readonly step?: number
  /** The tasks have groups. Default: false. */
  readonly grouped?: boolean
}

export interface DrainRequest {
  readonly url: string
  readonly tasks: number
  readonly steps: number
  readonly concurrency?: number
  /** The tasks have groups. Default: false. */
  readonly grouped?: boolean
  /** The table's first block that the tasks may be in: what lies before it is backlog, and is not looked at. */
  readonly fromBlock?: number
}

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** A query that answers whether every task from that block on is stored as done. */
export const settledSql = ({ table, unfinished }: Description, fromBlock = 0): string =>
  `select not exists (select from ${table} where ctid >= '(${fromBlock},0)'::tid and (${unfinished})) as settled`

/** Runs `f` with a connection of the harness's own, which no subject uses. */
export const withClient = async <A>(url: string, f: (client: pg.Client) => Promise<A>): Promise<A> => {
  const client = new pg.Client({ connectionString: url, application_name: "bench harness" })
  await client.connect()
  try {
    return await f(client)
  } finally {
    await client.end()
  }
}

/** Polls until the query answers true. */
export const untilSettled = async (client: pg.Client, sql: string): Promise<void> => {
  while (!(await client.query<{ settled: boolean }>(sql)).rows[0]!.settled) await sleep(2)
}

const drain = (
  subject: Subject,
  { url, tasks, steps, concurrency, fromBlock, grouped = false }: DrainRequest
): Promise<number> =>
  withClient(url, async (client) => {
    const recorder = new Recorder()
    const finished = recorder.waitFor(tasks)
    const worker = await subject.work(url, { body: recorder.body, concurrency, grouped })
    await finished
    await untilSettled(client, settledSql(subject, fromBlock))
    const end = now()
    await worker.stop()
    const stats = recorder.stats()
    if (stats.steps !== tasks * steps) throw new Error(`${stats.steps} steps ran instead of ${tasks * steps}`)
    return end - stats.first
  })

const timed = async (subject: Subject, url: string, f: (jobs: Producer) => Promise<unknown>): Promise<number> => {
  const producer = await subject.connect(url)
  try {
    const start = now()
    await f(producer)
    return now() - start
  } finally {
    await producer.close()
  }
}

const stamped = (seq: number): Job => ({ seq, steps: 1, waits: false, sentAt: now() })

const feed = async (producer: Producer, perSecond: number, seconds: number): Promise<number> => {
  const start = now()
  let sent = 0
  while (now() - start < seconds * 1000) {
    // What is due by now, so that a slow insert is made up for by the next.
    const due = Math.floor(((now() - start) / 1000) * perSecond)
    if (due > sent) await producer.all(Array.from({ length: due - sent }, (_, i) => stamped(sent + i)))
    sent = Math.max(sent, due)
    await sleep(20)
  }
  return sent
}

const insert = {
  name: "insert",
  text: "insert into pg_task (step) values ($1)",
  values: [`{"Bench":{"State":{"seq":0,"steps":1,"waits":false,"sentAt":0,"index":0}}}`]
}

const insertBySql = (request: InsertRequest): Promise<number> =>
  withClient(request.url, async (client) => {
    await client.query("truncate pg_task")
    await client.query(`alter table pg_task ${request.silent ? "disable" : "enable"} trigger user`)
    const end = now() + request.seconds * 1000
    const session = (session: pg.Client) => insertUntil(end, session, request.inTransaction)
    const counts = await Promise.all(
      Array.from({ length: request.clients }, () => withClient(request.url, session))
    )
    return counts.reduce((sum, count) => sum + count, 0) / request.seconds
  })

const insertUntil = async (end: number, session: pg.Client, inTransaction: boolean): Promise<number> => {
  let count = 0
  for (; now() < end; count++) {
    if (inTransaction) {
      await session.query("begin")
      await session.query("select 1")
    }
    await session.query(insert)
    if (inTransaction) await session.query("commit")
  }
  return count
}

/** The commands of one subject's process. */
export const makeCommands = (subject: Subject): Commands => {
  let serving: { readonly recorder: Recorder; readonly workers: ReadonlyArray<Worker> } | undefined
  const current = () => {
    if (serving === undefined) throw new Error("no worker is running")
    return serving
  }
  return {
    describe: async () => {
      const { prepare, connect, work, backlog, pingPong, execute, ...description } = subject
      return description
    },
    prepare: async ({ url }) => void (await subject.prepare(url)),
    backlog: ({ url, ...sizes }) =>
      withClient(url, async (client) => {
        for (const statement of subject.backlog?.(sizes) ?? []) await client.query(statement)
      }),
    fill: ({ url, tasks, steps, waits, groups }) => {
      const jobs = groups === undefined ? makeJobs(tasks, steps, waits) : makeGroupedJobs(tasks, groups)
      return timed(subject, url, (producer) => producer.all(jobs))
    },
    single: ({ url, tasks, inFlight }) => {
      const jobs = makeJobs(tasks)
      return timed(subject, url, (producer) => forEachInFlight(jobs, inFlight, producer.one))
    },
    drain: (request) => drain(subject, request),
    serve: async ({ url, concurrency, workers: count = 1, step, grouped = false }) => {
      const recorder = new Recorder(step)
      const workers: Array<Worker> = []
      const options = { body: recorder.body, concurrency, grouped }
      while (workers.length < count) workers.push(await subject.work(url, options))
      serving = { recorder, workers }
    },
    stats: async () => current().recorder.stats(),
    stop: async () => {
      const { recorder, workers } = current()
      serving = undefined
      await Promise.all(workers.map((worker) => worker.stop()))
      return recorder.stats()
    },
    trickle: async ({ url, tasks, gap, groups }) => {
      await timed(subject, url, async (producer) => {
        for (let seq = 0; seq < tasks; seq++) {
          await sleep(gap * (0.5 + Math.random()))
          const job = stamped(seq)
          await producer.one(groups === undefined ? job : { ...job, group: groupOf(seq, groups) })
        }
      })
    },
    pingPong: ({ url, rounds }) => subject.pingPong!(url, rounds),
    execute: ({ url, tasks }) => subject.execute!(url, tasks),
    insertBySql,
    feed: async ({ url, perSecond, seconds }) => {
      let sent = 0
      await timed(subject, url, async (producer) => void (sent = await feed(producer, perSecond, seconds)))
      return sent
    }
  }
}
