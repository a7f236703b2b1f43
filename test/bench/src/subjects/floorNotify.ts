/** The floor of a pick-up: `pg_notify` in one process to `LISTEN` in another, with no table between. */
import { PgClient } from "@effect/sql-pg"
import { Effect, Queue } from "effect"
import type { Job, StepBody, Subject } from "../Subject.ts"
import { client, open, runBody } from "./support/effect.ts"

const channel = "bench"

const forward = Effect.fnUntraced(function*(body: StepBody) {
  const sql = yield* PgClient.PgClient
  const notifications = yield* sql.listen(channel)
  while (true) {
    const { payload } = yield* Queue.take(notifications)
    yield* runBody(body, JSON.parse(payload) as Job, 0)
  }
}, Effect.scoped)

export const subject: Subject = {
  title: "floor (pg_notify → LISTEN)",
  settings: "PgClient",
  table: "pg_class",
  unfinished: "false",
  prepare: async () => {},
  connect: async (url) => {
    const { run, close } = await open(client(url))
    const one = (job: Job) => run(PgClient.PgClient.use((sql) => sql.notify(channel, JSON.stringify(job))))
    return { one, all: (jobs) => Promise.all(jobs.map(one)), close }
  },
  work: async (url, { body }) => {
    const { fork, close } = await open(client(url))
    fork(forward(body))
    return { stop: close }
  }
}
