/** The floor of waiting steps: the same timers, `concurrency` at a time, with no database at all. */
import { forEachInFlight } from "../Subject.ts"
import type { Job, StepBody, Subject } from "../Subject.ts"

let waiting: ReadonlyArray<Job> = []

const chain = async (job: Job, body: StepBody): Promise<void> => {
  for (let index = 0; index < job.steps; index++) await body(job, index)
}

export const subject: Subject = {
  title: "floor (the waiting alone)",
  settings: "timers, no database",
  table: "pg_class",
  unfinished: "false",
  prepare: async () => {},
  connect: async () => ({
    one: async () => {},
    all: async (jobs) => void (waiting = jobs),
    close: async () => {}
  }),
  work: async (_url, { body, concurrency = 1 }) => {
    void forEachInFlight(waiting, concurrency, (job) => chain(job, body))
    return { stop: async () => {} }
  }
}
