/**
 * The floor of the workloads that the table sets: plain SQL through the client that ours uses, without any library,
 * lease or fence. A chain is one UPDATE by key after the other; a backlog is claimed and deleted in batches.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Job, StepBody, Subject } from "../Subject.ts"
import { client, open, runBody } from "./support/effect.ts"
import { createTable, producer } from "./support/table.ts"

/** As many as ours claims and stores in one statement. */
const batchSize = 1000
/** While one batch is claimed, the other is deleted. */
const lanes = 2

interface Row {
  readonly id: string
  readonly step: string
}

const claim = SqlClient.SqlClient.use(
  (sql) =>
    sql<Row>`
    update pg_task set is_running = true
    where id in (
      select id from pg_task
      where wakeup_at <= now() and is_running = false and error is null
      order by wakeup_at limit ${batchSize}
      for update skip locked
    )
    returning id, step`
)

const chain = Effect.fnUntraced(function*({ id, step }: Row, job: Job, body: StepBody) {
  const sql = yield* SqlClient.SqlClient
  for (let index = 0; index < job.steps; index++) {
    yield* runBody(body, job, index)
    // The last step's write is the delete of the whole batch.
    if (index + 1 < job.steps) yield* sql`update pg_task set step = ${step}, updated_at = now() where id = ${id}::uuid`
  }
})

const lane = Effect.fnUntraced(function*(body: StepBody) {
  const sql = yield* SqlClient.SqlClient
  while (true) {
    const rows = yield* claim
    if (rows.length === 0) return
    for (const row of rows) {
      const job: Job = JSON.parse(row.step)
      if (job.steps > 1) yield* chain(row, job, body)
      else yield* runBody(body, job, 0)
    }
    yield* sql`delete from pg_task where id = any(${rows.map((row) => row.id)}::uuid[])`
  }
})

export const subject: Subject = {
  title: "floor (SQL without a library)",
  settings: `PgClient with multiplex; batches of ${batchSize}, ${lanes} at a time`,
  table: "pg_task",
  unfinished: "true",
  prepare: createTable,
  connect: producer,
  work: async (url, { body }) => {
    const { fork, close } = await open(client(url))
    for (let i = 0; i < lanes; i++) fork(lane(body))
    return { stop: close }
  }
}
