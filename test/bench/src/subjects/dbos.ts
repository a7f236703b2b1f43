import { DBOS, DBOSClient } from "@dbos-inc/dbos-sdk"
import { forEachInFlight } from "../Subject.ts"
import type { Job, StepBody, Subject } from "../Subject.ts"

const queueName = "bench"
const workflowName = "bench"

let body: StepBody

const workflow = DBOS.registerWorkflow(
  async (job: Job) => {
    for (let index = 0; index < job.steps; index++) {
      await DBOS.runStep(async () => body(job, index), { name: "step" })
    }
  },
  { name: workflowName }
)
void workflow

const launch = async (url: string): Promise<void> => {
  DBOS.setConfig({
    name: "bench",
    systemDatabaseUrl: url,
    systemDatabasePoolSize: 20,
    logLevel: "error",
    applicationVersion: "1",
    useListenNotify: true
  })
  await DBOS.launch()
}

export const subject: Subject = {
  title: "DBOS 5.3.0",
  settings: "queue with workerConcurrency 100, minPollingIntervalMs 10, pool of 20; no bulk enqueue: 64 in flight",
  table: "dbos.workflow_status",
  unfinished: "status in ('ENQUEUED', 'PENDING', 'DELAYED')",
  prepare: async (url) => {
    await launch(url)
    await DBOS.shutdown()
  },
  connect: async (url) => {
    const client = await DBOSClient.create({
      systemDatabaseUrl: url,
      systemDatabasePoolSize: 20,
      applicationName: "bench"
    })
    const one = (job: Job) => client.enqueue({ queueName, workflowName }, job)
    return { one, all: (jobs) => forEachInFlight(jobs, 64, one), close: () => client.destroy() }
  },
  work: async (url, options) => {
    body = options.body
    await launch(url)
    await DBOS.registerQueue(queueName, {
      workerConcurrency: options.concurrency ?? 100,
      minPollingIntervalMs: 10,
      onConflict: "always_update"
    })
    return { stop: () => DBOS.shutdown() }
  }
}
