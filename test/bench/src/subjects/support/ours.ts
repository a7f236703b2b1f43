import { Effect, Layer, Schema } from "effect"
import { Migrations, NextStep, Step, Task, Worker } from "../../../../../src/index.ts"
import { chunksOf } from "../../Subject.ts"
import type { Job, StepBody, Subject } from "../../Subject.ts"
import { client, once, open, runBody } from "./effect.ts"
import { limited, limitedTask } from "./oursLimited.ts"
import { execute, pingPong } from "./oursWaits.ts"

const State = Schema.TaggedStruct("State", {
  seq: Schema.Number,
  steps: Schema.Number,
  waits: Schema.Boolean,
  sentAt: Schema.Number,
  index: Schema.Number
})

const first = (job: Job) => State.make({ ...job, index: 0 })

const task = (body: StepBody, asyncCommit: boolean) =>
  Task.make("Bench", [
    Step.make(State, {
      next: [State],
      asyncCommit,
      handler: Effect.fnUntraced(function*(state) {
        yield* runBody(body, state, state.index)
        const index = state.index + 1
        return index < state.steps ? NextStep.now(State.make({ ...state, index })) : NextStep.none
      })
    })
  ])

const settings = "concurrency 100, all else default; bulk by enqueueAll, 10,000 a call; tasks with keys have a limit"

/** Ours, with steps that have `asyncCommit` or have not. */
export const makeOurs = (asyncCommit: boolean): Subject => ({
  title: asyncCommit ? "effect-pg-task, asyncCommit" : "effect-pg-task",
  settings: asyncCommit ? "the same, and each step has `asyncCommit`: its moves don't wait for the disk" : settings,
  table: "pg_task",
  unfinished: "error is null and wakeup_at <= now()",
  prepare: (url) => once(url, Migrations.run),
  connect: async (url) => {
    const { run, close } = await open(client(url))
    const Bench = task(() => undefined, asyncCommit)
    const Limited = limitedTask(() => undefined)
    const enqueueAll = (jobs: ReadonlyArray<Job>) =>
      jobs[0]?.key === undefined ? Bench.enqueueAll(jobs.map(first)) : Limited.enqueueAll(jobs.map(limited))
    return {
      one: (job) => run(job.key === undefined ? Bench.enqueue(first(job)) : Limited.enqueue(limited(job))),
      all: (jobs) => run(Effect.forEach(chunksOf(jobs, 10_000), enqueueAll, { discard: true })),
      close
    }
  },
  work: async (url, { body, concurrency = 100, keyed }) => {
    const worker = Worker.layer({ tasks: [keyed ? limitedTask(body) : task(body, asyncCommit)], concurrency })
    const { close } = await open(Layer.provideMerge(worker, client(url)))
    return { stop: close }
  },
  ...(!asyncCommit && { pingPong, execute }),
  backlog: ({ waiting, parked, foreign }) => [
    insertTasks("Foreign", "wakeup_at", "now() - interval '1 day'", foreign),
    insertTasks("Bench", "error", "'it failed'", parked),
    insertTasks("Bench", "wakeup_at", "now() + interval '1 day'", waiting)
  ]
})

const insertTasks = (task: string, column: string, value: string, count: number): string =>
  `insert into pg_task (step, ${column})
   select '{"${task}":{"State":{"seq":0,"steps":1,"waits":false,"sentAt":0,"index":0}}}', ${value}
   from generate_series(1, ${count})`
