import { PgBoss } from "pg-boss"
import { chunksOf, forEachInFlight, perGroup } from "../Subject.ts"
import type { Job, Subject } from "../Subject.ts"

const queue = "bench"

const groupOf = ({ group }: Job) => group === undefined ? {} : { group: { id: group.name } }

// Cron and the maintenance timers do nothing in a run of seconds; both are switched off in its favour.
const make = (url: string, listen: boolean): PgBoss => {
  const boss = new PgBoss({
    connectionString: url,
    max: 10,
    schedule: false,
    supervise: false,
    useListenNotify: listen
  })
  boss.on("error", (error) => console.error(error))
  return boss
}

export const subject: Subject = {
  title: "pg-boss 12.38.0",
  settings: "batchSize 5,000, burstWhenBatchFull, localConcurrency 4, LISTEN/NOTIFY on, supervise and schedule off; " +
    "bulk by insert, 10,000 a call; groups with groupConcurrency",
  table: "pgboss.job_common",
  unfinished: "name = 'bench' and state < 'completed' and start_after <= now()",
  prepare: async (url) => {
    const boss = make(url, false)
    await boss.start()
    await boss.createQueue(queue, { notify: true })
    await boss.createQueue("foreign")
    await boss.stop()
  },
  connect: async (url) => {
    const boss = make(url, false)
    await boss.start()
    return {
      one: (job) => boss.send(queue, job, groupOf(job)),
      all: async (jobs) => {
        for (const chunk of chunksOf(jobs, 10_000)) {
          await boss.insert(queue, chunk.map((data) => ({ data, ...groupOf(data) })))
        }
      },
      close: () => boss.stop()
    }
  },
  work: async (url, { body, concurrency = 10_000, grouped }) => {
    const boss = make(url, true)
    await boss.start()
    const lanes = 4
    await boss.work<Job>(
      queue,
      {
        batchSize: 5000,
        burstWhenBatchFull: true,
        localConcurrency: lanes,
        pollingIntervalSeconds: 0.5,
        ...(grouped && { groupConcurrency: perGroup })
      },
      (jobs) => forEachInFlight(jobs, Math.ceil(concurrency / lanes), async ({ data }) => body(data, 0))
    )
    return { stop: () => boss.stop() }
  },
  backlog: ({ waiting, parked, foreign }) => [
    insertJobs("foreign", "start_after, created_on", "now() - interval '1 day', now() - interval '1 day'", foreign),
    insertJobs("bench", "state, completed_on", "'failed', now()", parked),
    insertJobs("bench", "start_after", "now() + interval '1 day'", waiting)
  ]
}

const insertJobs = (name: string, columns: string, values: string, count: number): string =>
  `insert into pgboss.job (name, data, policy, ${columns})
   select '${name}', '{"seq":0,"steps":1}', 'standard', ${values} from generate_series(1, ${count})`
