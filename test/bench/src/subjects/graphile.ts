import { Logger, makeWorkerUtils, run } from "graphile-worker"
import type { WorkerUtils } from "graphile-worker"
import pg from "pg"
import { chunksOf, perGroup } from "../Subject.ts"
import type { Job, Subject } from "../Subject.ts"

const silent = new Logger(() => () => {})

/** With the error handlers that graphile-worker asks for. */
const makePool = (url: string): pg.Pool =>
  new pg.Pool({ connectionString: url, max: 20 })
    .on("error", console.error)
    .on("connect", (client) => client.on("error", console.error))

const withUtils = async <A>(url: string, f: (utils: WorkerUtils) => Promise<A>): Promise<A> => {
  const utils = await makeWorkerUtils({ connectionString: url, logger: silent })
  try {
    return await f(utils)
  } finally {
    await utils.release()
  }
}

/** One job of a queue runs at a time: so a group has as many queues as jobs that may run. */
const queueOf = ({ group }: Job) => group === undefined ? {} : { queueName: `${group.name}: ${group.nth % perGroup}` }

export const subject: Subject = {
  title: "graphile-worker 0.18.0",
  settings:
    "concurrentJobs 100, localQueue.size 1000, completeJobBatchDelay 10 ms, failJobBatchDelay 10 ms, pool of 20; " +
    "bulk by addJobs, 5,000 a call; a group has two queues, of which each runs one job at a time",
  table: "graphile_worker._private_jobs",
  unfinished: "locked_at is not null or (attempts < max_attempts and run_at <= now())",
  prepare: (url) => withUtils(url, (utils) => utils.migrate()),
  connect: async (url) => {
    const pool = makePool(url)
    const utils = await makeWorkerUtils({ pgPool: pool, logger: silent })
    return {
      one: (job) => utils.addJob("bench", job, queueOf(job)),
      all: async (jobs) => {
        for (const chunk of chunksOf(jobs, 5000)) {
          await utils.addJobs(chunk.map((payload) => ({ identifier: "bench", payload, ...queueOf(payload) })))
        }
      },
      close: async () => {
        await utils.release()
        await pool.end()
      }
    }
  },
  work: (url, { body, concurrency = 100 }) =>
    run({
      logger: silent,
      noHandleSignals: true,
      taskList: { bench: (job) => body(job as Job, 0) },
      preset: {
        worker: {
          connectionString: url,
          maxPoolSize: 20,
          concurrentJobs: concurrency,
          localQueue: { size: 1000 },
          completeJobBatchDelay: 10,
          failJobBatchDelay: 10
        }
      }
    }),
  backlog: ({ waiting, parked, foreign }) => [
    "insert into graphile_worker._private_tasks (identifier) values ('bench'), ('foreign') on conflict do nothing",
    insertJobs("foreign", "run_at", "now() - interval '1 day'", foreign),
    insertJobs("bench", "attempts, max_attempts, last_error", "1, 1, 'it failed'", parked),
    insertJobs("bench", "run_at", "now() + interval '1 day'", waiting)
  ]
}

const insertJobs = (task: string, columns: string, values: string, count: number): string =>
  `insert into graphile_worker._private_jobs (task_id, payload, ${columns})
   select (select id from graphile_worker._private_tasks where identifier = '${task}'), '{"seq":0,"steps":1}', ${values}
   from generate_series(1, ${count})`
