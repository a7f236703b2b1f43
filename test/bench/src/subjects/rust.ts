import { PgClient } from "@effect/sql-pg"
import { Effect, Queue, Semaphore } from "effect"
import { SqlClient } from "effect/sql"
import type { Job, StepBody, Subject } from "../Subject.ts"
import { client, once, open, runBody } from "./support/effect.ts"
import { createTable, producer } from "./support/table.ts"

// After every insert or update of a row, its own transitions included: as the crate's migration has it.
const trigger = `
  create function pg_task_notify_on_change() returns trigger as $$
  begin
    perform pg_notify('pg_task_changed', '');
    return null;
  end;
  $$ language plpgsql;
  create trigger pg_task_changed after insert or update on pg_task
    for each row execute function pg_task_notify_on_change()`

interface Row {
  readonly id: string
  readonly step: string
}

interface State extends Job {
  readonly index: number
}

const claim = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<Row>`
    select id, step, tried from pg_task
    where wakeup_at <= now() and is_running = false and error is null
    order by wakeup_at limit 1
    for update skip locked`
  if (row !== undefined) yield* sql`update pg_task set is_running = true where id = ${row.id}::uuid`
  return row
})

const store = Effect.fnUntraced(function*(id: string, { index, ...job }: State) {
  const sql = yield* SqlClient.SqlClient
  yield* index + 1 < job.steps
    ? sql`update pg_task
        set is_running = false, tried = 0, step = ${JSON.stringify({ ...job, index: index + 1 })}, wakeup_at = now()
        where id = ${id}::uuid`
    : sql`delete from pg_task where id = ${id}::uuid`
})

const runStep = Effect.fnUntraced(function*(row: Row, body: StepBody) {
  const state: State = { index: 0, ...JSON.parse(row.step) }
  yield* runBody(body, state, state.index)
  yield* store(row.id, state)
})

// One loop claims, one task at a time; up to `concurrency` of them run meanwhile.
const loop = Effect.fnUntraced(function*(body: StepBody, concurrency: number) {
  const sql = yield* PgClient.PgClient
  const changes = yield* sql.listen("pg_task_changed")
  const slots = yield* Semaphore.make(concurrency)
  while (true) {
    yield* slots.take(1)
    const row = yield* sql.withTransaction(claim)
    if (row !== undefined) {
      yield* Effect.forkChild(Effect.ensuring(runStep(row, body), slots.release(1)))
    } else {
      yield* slots.release(1)
      yield* Effect.timeoutOption(Queue.takeAll(changes), "1 second")
    }
  }
}, Effect.scoped)

export const subject: Subject = {
  title: "pg_task (Rust) SQL",
  settings: "the crate's statements per step and its per-row notify trigger, through the same client; concurrency 20",
  table: "pg_task",
  unfinished: "true",
  prepare: async (url) => {
    await createTable(url)
    await once(
      url,
      SqlClient.SqlClient.use((sql) => Effect.forEach(trigger.split(/;\n  (?=create)/), (text) => sql.unsafe(text)))
    )
  },
  connect: producer,
  work: async (url, { body, concurrency = 20 }) => {
    const { fork, close } = await open(client(url))
    fork(loop(body, concurrency))
    return { stop: close }
  }
}
