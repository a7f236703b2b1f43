import { DBOS, DBOSClient } from "@dbos-inc/dbos-sdk"
import { forEachInFlight, now } from "../Subject.ts"
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

const polling = { pollingIntervalMs: 10 }

const ping = DBOS.registerWorkflow(
  async (rounds: number) => {
    for (let n = 0; n < rounds; n++) {
      await DBOS.send("pong", n, "ball")
      await DBOS.recv("ball", { timeoutSeconds: 60, ...polling })
    }
  },
  { name: "ping" }
)

const pong = DBOS.registerWorkflow(
  async (rounds: number) => {
    for (let n = 0; n < rounds; n++) {
      await DBOS.recv("ball", { timeoutSeconds: 60, ...polling })
      await DBOS.send("ping", n, "ball")
    }
  },
  { name: "pong" }
)

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
  },
  pingPong: async (url, rounds) => {
    await launch(url)
    const second = await DBOS.startWorkflow(pong, { workflowID: "pong" })(rounds)
    const start = now()
    const first = await DBOS.startWorkflow(ping, { workflowID: "ping" })(rounds)
    await Promise.all([first.getResult(), second.getResult()])
    const took = now() - start
    await DBOS.shutdown()
    return took
  },
  execute: async (url, tasks) => {
    const worker = await subject.work(url, { body: () => undefined, concurrency: undefined, grouped: false })
    const client = await DBOSClient.create({ systemDatabaseUrl: url, applicationName: "bench" })
    const all: Array<number> = []
    for (let seq = 0; seq < tasks; seq++) {
      const start = now()
      const job: Job = { seq, steps: 1, waits: false, sentAt: 0 }
      await (await client.enqueue({ queueName, workflowName }, job)).getResult(polling)
      all.push(now() - start)
    }
    await client.destroy()
    await worker.stop()
    return all
  }
}
