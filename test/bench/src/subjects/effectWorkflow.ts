import { Effect, Layer, Option, Schema } from "effect"
import { ClusterWorkflowEngine, SingleRunner } from "effect/cluster"
import { Digest } from "effect/crypto"
import { Activity, Workflow } from "effect/workflow"
import { forEachInFlight } from "../Subject.ts"
import type { Job, StepBody, Subject } from "../Subject.ts"
import { client, open, runBody } from "./support/effect.ts"

const Bench = Workflow.make("Bench", {
  payload: { seq: Schema.Number, steps: Schema.Number, waits: Schema.Boolean, sentAt: Schema.Number },
  idempotencyKey: ({ seq }) => String(seq)
})

const workflow = (body: StepBody) =>
  Bench.toLayer(
    Effect.fnUntraced(function*(job) {
      for (let index = 0; index < job.steps; index++) {
        yield* Activity.make({ name: `step-${index}`, execute: runBody(body, job, index) })
      }
    })
  )

// Without an address the runner only sends: what it enqueues waits in the table for a worker.
const engine = (url: string, role: "worker" | "producer") =>
  ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(
      SingleRunner.layer({
        shardingConfig: {
          entityMessagePollInterval: "50 millis",
          simulateRemoteSerialization: false,
          ...(role === "producer" ? { runnerAddress: Option.none() } : {})
        }
      })
    ),
    Layer.provideMerge(Layer.mergeAll(client(url), Digest.layerWebCrypto))
  )

export const subject: Subject = {
  title: "Effect Workflow 4.1.0",
  settings: "ClusterWorkflowEngine on SingleRunner over SQL, entityMessagePollInterval 50 ms; no bulk: 64 in flight",
  table: "cluster_messages",
  unfinished: "not processed",
  prepare: async (url) => (await open(engine(url, "producer"))).close(),
  connect: async (url) => {
    const { run, close } = await open(engine(url, "producer"))
    const one = (job: Job) => run(Bench.execute(job, { discard: true }))
    return { one, all: (jobs) => forEachInFlight(jobs, 64, one), close }
  },
  work: async (url, { body }) => {
    const { close } = await open(workflow(body).pipe(Layer.provideMerge(engine(url, "worker"))))
    return { stop: close }
  }
}
