import { Effect, Layer, Schema } from "effect"
import { PersistedQueue } from "effect/persistence"
import { forEachInFlight } from "../Subject.ts"
import type { Subject } from "../Subject.ts"
import { client, once, open, runBody } from "./support/effect.ts"

const JobSchema = Schema.Struct({
  seq: Schema.Number,
  steps: Schema.Number,
  waits: Schema.Boolean,
  sentAt: Schema.Number
})

// The store polls; NOTIFY it has none. 10 ms is a fair price for latency, and costs nothing under load.
const queues = (url: string) =>
  PersistedQueue.layer.pipe(
    Layer.provide(PersistedQueue.layerStoreSql({ pollInterval: "10 millis" })),
    Layer.provideMerge(client(url))
  )

const bench = PersistedQueue.make({ name: "bench", schema: JobSchema })

export const subject: Subject = {
  title: "Effect PersistedQueue 4.1.0",
  settings: "500 takers, pollInterval 10 ms, PgClient with multiplex; no bulk offer: 64 offers in flight",
  table: "effect_queue",
  unfinished: "state = 'pending'",
  prepare: (url) => once(url, Effect.scoped(PersistedQueue.makeStoreSql())),
  connect: async (url) => {
    const { run, close } = await open(queues(url))
    const queue = await run(bench)
    const one = (job: typeof JobSchema.Type) => run(queue.offer(job))
    return { one, all: (jobs) => forEachInFlight(jobs, 64, one), close }
  },
  work: async (url, { body, concurrency = 500 }) => {
    const { run, fork, close } = await open(queues(url))
    const queue = await run(bench)
    for (let i = 0; i < concurrency; i++) fork(Effect.forever(queue.take((job) => runBody(body, job, 0))))
    return { stop: close }
  }
}
