import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { chunksOf } from "../../Subject.ts"
import type { Job, Producer } from "../../Subject.ts"
import { client, once, open } from "./effect.ts"

/** The eight columns of `pg_task`, its primary key and its index on `wakeup_at`; no trigger. */
export const createTable = (url: string): Promise<unknown> =>
  once(
    url,
    SqlClient.SqlClient.use((sql) =>
      Effect.andThen(
        sql`create table pg_task (
          id uuid primary key default gen_random_uuid(),
          step text not null,
          wakeup_at timestamptz not null default now(),
          tried int not null default 0,
          is_running boolean not null default false,
          error text,
          created_at timestamptz not null default now(),
          updated_at timestamptz not null default now()
        )`,
        sql`create index pg_task_wakeup_at_idx on pg_task (wakeup_at)`
      )
    )
  )

/** Bare inserts, one by one or many in a statement. */
export const producer = async (url: string): Promise<Producer> => {
  const { run, close } = await open(client(url))
  const insert = (job: Job) =>
    SqlClient.SqlClient.use((sql) => sql`insert into pg_task (step) values (${JSON.stringify(job)})`)
  const insertAll = (jobs: ReadonlyArray<Job>) =>
    SqlClient.SqlClient.use(
      (sql) => sql`insert into pg_task (step) select unnest(${jobs.map((job) => JSON.stringify(job))}::text[])`
    )
  return {
    one: (job) => run(insert(job)),
    all: (jobs) => run(Effect.forEach(chunksOf(jobs, 10_000), insertAll, { discard: true })),
    close
  }
}
