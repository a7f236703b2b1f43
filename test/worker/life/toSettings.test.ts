/** What a worker makes of its options: its defaults, its units, and what each refusal says. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Schema } from "effect"
import { toSettings, type WorkerOptions } from "../../../src/internal/worker/settings.ts"
import { NextStep, Step, Task, TaskError } from "../../../src/index.ts"

class Job extends Schema.TaggedClass<Job>()("Job", {}) {}

const make = (name: string) => Task.make(name, [Step.make(Job, { handler: () => Effect.succeed(NextStep.none) })])

const [Jobs, Others] = [make("Jobs"), make("Others")]

const settingsOf = (options: Partial<WorkerOptions>) => toSettings({ tasks: [Jobs], ...options })

describe("options that are left out, or undefined", () => {
  const defaults = {
    concurrency: 10,
    bufferSize: 1000,
    lease: 30_000,
    maxCrashes: 3,
    shutdownTimeout: 30_000,
    pollInterval: 10_000
  }
  const undefineds = Object.fromEntries(Object.keys(defaults).map((key) => [key, undefined]))
  for (const [what, options] of Object.entries({ "left out": {}, "undefined": undefineds })) {
    it.effect(`have their defaults: ${what}`, () =>
      Effect.gen(function*() {
        const { recurring, tasks, ...rest } = yield* settingsOf(options)
        assert.deepStrictEqual(rest, defaults)
        assert.deepStrictEqual([...tasks.keys()], ["Jobs"])
        assert.strictEqual(recurring.size, 0)
      }))
  }
})

describe("options", () => {
  it.effect("are durations of any kind, in milliseconds afterwards", () =>
    Effect.gen(function*() {
      const settings = yield* settingsOf({
        lease: "2 minutes",
        pollInterval: 1500,
        shutdownTimeout: Duration.seconds(3)
      })
      assert.deepInclude(settings, { lease: 120_000, pollInterval: 1500, shutdownTimeout: 3000 })
    }))

  it.effect("are kept as they are given: numbers, and the tasks by their names", () =>
    Effect.gen(function*() {
      const settings = yield* settingsOf({ tasks: [Jobs, Others], concurrency: 7, bufferSize: 3, maxCrashes: 2 })
      assert.deepInclude(settings, { concurrency: 7, bufferSize: 3, maxCrashes: 2 })
      assert.deepStrictEqual([...settings.tasks.keys()], ["Jobs", "Others"])
      const found: unknown = settings.tasks.get("Others")
      assert.strictEqual(found, Others)
    }))

  it.effect("may be at their limits", () =>
    Effect.gen(function*() {
      const smallest = {
        concurrency: 1,
        bufferSize: 0,
        lease: 100,
        maxCrashes: 1,
        shutdownTimeout: 0,
        pollInterval: 10
      }
      assert.deepInclude(yield* settingsOf(smallest), smallest)
      const endless = { shutdownTimeout: Infinity, pollInterval: Infinity }
      assert.deepInclude(yield* settingsOf(endless), endless)
    }))
})

const tasksMissing = "`tasks` must be an array of at least one task"
const tasksUnmade = "each of `tasks` must be made with Task.make or Recurring.make"
const whole = (option: string, min: number) => `\`${option}\` must be a whole number of ${min} or more`
const lease = "`lease` must be a duration of 100 milliseconds or more, and finite"
const pollInterval = "`pollInterval` must be a duration of 10 milliseconds or more"
const shutdownTimeout = "`shutdownTimeout` must be a duration of 0 or more"

/** What each message is said of. */
const refused: Record<string, ReadonlyArray<object | null | undefined>> = {
  "its options must be an object with `tasks`": [undefined, null, "Jobs" as never],
  [tasksMissing]: [{}, { tasks: [] }, { tasks: Jobs }, { tasks: null }],
  [tasksUnmade]: [{ tasks: [Jobs, undefined] }, { tasks: [{ name: "Jobs" }] }],
  "the task \"Later\" is only declared: make it with Task.make and its steps": [
    { tasks: [Jobs, Task.declare("Later", { states: [Job] })] }
  ],
  "two tasks of this worker have the name \"Others\"": [{ tasks: [Jobs, Others, make("Others")] }],
  [whole("concurrency", 1)]: [0, -1, 1.5, NaN, Infinity, "10"].map((concurrency) => ({ tasks: [Jobs], concurrency })),
  [whole("bufferSize", 0)]: [-1, 0.5, NaN, Infinity, "10"].map((bufferSize) => ({ tasks: [Jobs], bufferSize })),
  [whole("maxCrashes", 1)]: [0, 1.5, NaN, Infinity, "3"].map((maxCrashes) => ({ tasks: [Jobs], maxCrashes })),
  [lease]: [0, 99, -1, NaN, Infinity, "soon", {}].map((lease) => ({ tasks: [Jobs], lease })),
  [pollInterval]: [0, 9, -1, NaN, "often"].map((pollInterval) => ({ tasks: [Jobs], pollInterval })),
  [shutdownTimeout]: [-1, "never"].map((shutdownTimeout) => ({ tasks: [Jobs], shutdownTimeout }))
}

describe("options that make no sense are refused", () => {
  for (const [message, all] of Object.entries(refused)) {
    it.effect(message, () =>
      Effect.forEach(all, (options) =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(toSettings(options as WorkerOptions))
          assert.instanceOf(error, TaskError.TaskDefinitionError)
          assert.strictEqual(error.message, `Worker: ${message}`)
        })))
  }

  it.effect("the first mistake is named, tasks before settings", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(settingsOf({ tasks: [], concurrency: 0, lease: 0 }))
      assert.strictEqual(error.message, `Worker: ${tasksMissing}`)
    }))
})
