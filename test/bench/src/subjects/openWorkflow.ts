import { OpenWorkflow } from "openworkflow"
import { BackendPostgres } from "openworkflow/postgres"
import { forEachInFlight } from "../Subject.ts"
import type { Job, StepBody, Subject } from "../Subject.ts"

const spec = { name: "bench" }

const connect = async (url: string, runMigrations = false) => {
  const backend = await BackendPostgres.connect(url, { runMigrations })
  return { backend, client: new OpenWorkflow({ backend }) }
}

const implement = (client: OpenWorkflow, body: StepBody): void =>
  client.implementWorkflow<Job, void>(spec, async ({ input, step }) => {
    for (let index = 0; index < input.steps; index++) {
      await step.run({ name: `step-${index}` }, async () => void (await body(input, index)))
    }
  })

export const subject: Subject = {
  title: "OpenWorkflow 0.10.1",
  settings: "concurrency 20, its own Postgres backend and pool; no bulk run: 64 in flight",
  table: "openworkflow.workflow_runs",
  unfinished: "status in ('pending', 'running', 'sleeping')",
  prepare: async (url) => {
    const { backend } = await connect(url, true)
    await backend.stop()
  },
  connect: async (url) => {
    const { backend, client } = await connect(url)
    const one = (job: Job) => client.runWorkflow<Job, void>(spec, job)
    return { one, all: (jobs) => forEachInFlight(jobs, 64, one), close: () => backend.stop() }
  },
  work: async (url, { body, concurrency = 20 }) => {
    const { backend, client } = await connect(url)
    implement(client, body)
    const worker = client.newWorker({ concurrency })
    await worker.start()
    return {
      stop: async () => {
        await worker.stop()
        await backend.stop()
      }
    }
  }
}
