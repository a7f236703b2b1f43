import { Effect, Layer, Schema } from "effect"
import { Migrations, NextStep, Step, Task, Worker } from "../../../../../src/index.ts"
import { chunksOf } from "../../Subject.ts"
import type { Job, StepBody, Subject } from "../../Subject.ts"
import { client, once, open, runBody, type Sql } from "./effect.ts"
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

interface Options {
  /** Each step has `asyncCommit`. */
  readonly asyncCommit?: boolean
  /** Each task has a key that no other one has. */
  readonly keyed?: boolean
}

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

const settings = "concurrency 100, all else default; bulk by enqueueAll, 10,000 a call; groups have a limit"

const describe = ({ asyncCommit, keyed }: Options): Pick<Subject, "settings" | "title"> => {
  if (asyncCommit) {
    return {
      title: "effect-pg-task, asyncCommit",
      settings: "the same, and each step has `asyncCommit`: its moves don't wait for the disk"
    }
  }
  return keyed
    ? { title: "effect-pg-task, keys", settings: "the same, and each task has a key of its own" }
    : { title: "effect-pg-task", settings }
}

/** Ours, with the feature that is measured, or without any. */
export const makeOurs = ({ asyncCommit = false, keyed = false }: Options = {}): Subject => ({
  ...describe({ asyncCommit, keyed }),
  table: "pg_task",
  unfinished: "error is null and wakeup_at <= now()",
  prepare: (url) => once(url, Migrations.run),
  connect: async (url) => {
    const { run, close } = await open(client(url))
    const Bench = task(() => undefined, asyncCommit)
    const Limited = limitedTask(() => undefined)
    // Those of another client are taken.
    const prefix = Math.random().toString(36).slice(2, 8)
    const keyOf = ({ seq }: { readonly seq: number }) => `${prefix}-${seq}`
    const storeOne = (job: Job): Effect.Effect<unknown, unknown, Sql> =>
      job.group !== undefined
        ? Limited.enqueue(limited(job))
        : keyed
        ? Bench.enqueue(first(job), { key: keyOf(job) })
        : Bench.enqueue(first(job))
    const store = (jobs: ReadonlyArray<Job>): Effect.Effect<unknown, unknown, Sql> =>
      jobs[0]?.group !== undefined
        ? Limited.enqueueAll(jobs.map(limited))
        : keyed
        ? Bench.enqueueAll(jobs.map(first), { key: keyOf })
        : Bench.enqueueAll(jobs.map(first))
    return {
      one: (job) => run(storeOne(job)),
      all: (jobs) => run(Effect.forEach(chunksOf(jobs, 10_000), store, { discard: true })),
      close
    }
  },
  work: async (url, { body, concurrency = 100, grouped }) => {
    const worker = Worker.layer({ tasks: [grouped ? limitedTask(body) : task(body, asyncCommit)], concurrency })
    const { close } = await open(Layer.provideMerge(worker, client(url)))
    return { stop: close }
  },
  ...(!asyncCommit && !keyed && { pingPong, execute }),
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
