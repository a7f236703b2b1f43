/** Tasks of several priorities in one worker, or in several. */
import { assert } from "@effect/vitest"
import { Clock, Deferred, Effect, Queue } from "effect"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { makePacedClock } from "../../support/worker/Clocks.ts"
import { Job, start, startWith, urlOfTest, workerTests } from "../../support/worker/Fixture.ts"
import { makeNetwork } from "../../support/worker/Network.ts"
import { gone, run } from "../../support/worker/Table.ts"
import { eventually, within } from "../../support/worker/Wait.ts"

type Priority = "high" | "low" | undefined
type Handler = (job: Job, task: string) => Effect.Effect<NextStep.NextStep<Job>>

const make = (name: string, priority: Priority, handler: Handler) =>
  Task.make(name, [Step.make(Job, { next: [Job], handler: (job) => handler(job, name) })], { priority })

/** Three tasks, one of each priority. */
const makeAll = (handler: Handler) => ({
  High: make("High", "high", handler),
  Normal: make("Normal", undefined, handler),
  Low: make("Low", "low", handler)
})

/** Rows of a task that have been due for an hour. Triggers would set their names, and take most of the time. */
const fill = (task: string, count: number) =>
  Effect.gen(function*() {
    yield* run("alter table pg_task disable trigger user")
    yield* run(
      `insert into pg_task (task, state, step, wakeup_at)
      select $2::text, 'Job', format('{"%s":{"Job":{"name":"%s"}}}', $2::text, n),
        now() - interval '1 hour' + n * interval '1 microsecond'
      from generate_series(1, $1::int) n`,
      [count, task]
    )
    yield* run("alter table pg_task enable trigger user")
  })

interface Arrival {
  readonly task: string
  readonly name: string
  readonly proceed: Effect.Effect<unknown>
}

/** Steps run freely until the gate is closed. Then they go one by one, as the test lets them. */
const makeGates = Effect.gen(function*() {
  const arrivals = yield* Queue.unbounded<Arrival>()
  const state = { closed: true, begun: [] as Array<string> }
  const turns: Array<Deferred.Deferred<void>> = []
  const enter: Handler = ({ name }, task) =>
    Effect.gen(function*() {
      state.begun.push(task)
      if (!state.closed) return NextStep.none
      const turn = yield* Deferred.make<void>()
      turns.push(turn)
      yield* Queue.offer(arrivals, { task, name, proceed: Deferred.succeed(turn, undefined) })
      yield* Deferred.await(turn)
      return NextStep.none
    })
  const open = Effect.sync(() => {
    state.closed = false
    for (const turn of turns) Deferred.doneUnsafe(turn, Effect.void)
  })
  return { enter, next: within(Queue.take(arrivals), "the next step"), open, state }
})

/** The tasks of the next steps that begin, one after the other. */
const nextTasks = (next: Effect.Effect<Arrival>, count: number) =>
  Effect.gen(function*() {
    const tasks: Array<string> = []
    while (tasks.length < count) {
      const { proceed, task } = yield* next
      tasks.push(task)
      yield* proceed
    }
    return tasks
  })

const count = (tasks: ReadonlyArray<string>, task: string) => tasks.filter((one) => one === task).length

/**
 * A worker that works off 100,000 low tasks, and has claimed many of them ahead, when the gate closes. Its sleeps take
 * `pace` times as long.
 */
const busy = (pace: number) =>
  Effect.gen(function*() {
    const gates = yield* makeGates
    const { High, Low, Normal } = makeAll(gates.enter)
    yield* fill("Low", 100_000)
    gates.state.closed = false
    const worker = yield* start({ tasks: [Low, Normal, High], concurrency: 2, lease: "5 minutes" }).pipe(
      Effect.provideServiceEffect(Clock.Clock, makePacedClock(pace))
    )
    yield* Effect.addFinalizer(() => gates.open)
    yield* eventually(worker.health, ({ buffered }) => buffered > 100)
    gates.state.closed = true
    // All slots are taken by steps that wait for the test.
    const held = [yield* gates.next, yield* gates.next]
    const proceed = Effect.suspend(() => held.pop()?.proceed ?? Effect.void)
    /** Waits until the worker has claimed so many rows of these tasks, and has the answers to all of its claims. */
    const hasClaimed = (count: number, ...tasks: ReadonlyArray<string>) =>
      eventually(
        Effect.all([
          run<{ these: number; all: number }>(
            `select count(*) filter (where task = any($1::text[]))::int as these, count(*)::int as all
          from pg_task where is_running`,
            [tasks]
          ),
          worker.health
        ]),
        ([[found], { buffered, running }]) => found!.these === count && found!.all === buffered + running
      )
    return { ...gates, High, Normal, hasClaimed, proceed }
  })

/**
 * So slow that the worker does not give back what waits in its buffer for longer than a second. Without anything there it
 * would claim nothing ahead, and the test holds all of its slots.
 */
const slow = 100

workerTests("beside 100,000 due tasks of low priority, many of them claimed ahead", (test) => {
  test(
    "a task of high priority is the next that begins",
    Effect.gen(function*() {
      const { hasClaimed, High, next, proceed } = yield* busy(slow)
      yield* High.enqueue(new Job({ name: "high" }))
      yield* hasClaimed(1, "High")
      yield* proceed
      assert.strictEqual((yield* next).task, "High")
    })
  )

  test(
    "high ones come before normal ones that were there before",
    Effect.gen(function*() {
      const { hasClaimed, High, next, Normal, proceed } = yield* busy(slow)
      yield* Normal.enqueueAll([new Job({ name: "1" }), new Job({ name: "2" })])
      yield* High.enqueueAll([new Job({ name: "1" }), new Job({ name: "2" })])
      yield* hasClaimed(4, "High", "Normal")
      yield* proceed
      assert.deepStrictEqual(yield* nextTasks(next, 4), ["High", "High", "Normal", "Normal"])
    })
  )

  test(
    "one of high priority that becomes due later begins then, before most of the others",
    Effect.gen(function*() {
      const { High, state } = yield* Effect.tap(busy(1), ({ open }) => open)
      yield* gone(yield* High.enqueue(new Job({ name: "later" }), { delay: 200 }))
      // In the order of their due times it would come last.
      assert.isBelow(count(state.begun, "Low"), 100_000)
    })
  )
})

/** A task that is due again at once, for ever. */
const endless: Handler = (job) => Effect.succeed(NextStep.delay(job, 0))

workerTests("while tasks of high priority are due all the time", (test) => {
  for (const concurrency of [1, 4]) {
    test(
      `an eighth of the tasks that begin are others: ${concurrency} at a time`,
      Effect.gen(function*() {
        const { enter, next, open } = yield* makeGates
        const { High, Low, Normal } = makeAll(enter)
        yield* fill("High", 500)
        yield* fill("Low", 500)
        yield* start({ tasks: [Low, Normal, High], concurrency })
        yield* Effect.addFinalizer(() => open)
        const unclaimed = run<{ n: number }>(
          "select count(*)::int as n from pg_task where task = 'High' and not is_running"
        )
        const begun: Array<string> = []
        // While a claim is under way, nothing holds up the others: these count only where one of high priority was there.
        let before = 0
        let isHighThere = false
        while (begun.length < 160) {
          const { proceed, task } = yield* next
          begun.push(task)
          if (isHighThere && task === "Low") before++
          const [left] = yield* unclaimed
          isHighThere = 500 - left!.n > count(begun, "High")
          yield* proceed
        }
        // It is 20.
        assert.isAtLeast(count(begun, "Low"), 5)
        assert.isAtMost(before, 40)
        assert.strictEqual(count(begun, "High") + count(begun, "Low"), 160)
      })
    )
  }

  test(
    "every other task is done, by several workers with short steps",
    Effect.gen(function*() {
      const begun: Array<string> = []
      const { High, Low, Normal } = makeAll((job, task) => {
        begun.push(task)
        return task === "High" ? endless(job, task) : Effect.succeed(NextStep.none)
      })
      yield* fill("High", 200)
      yield* fill("Normal", 100)
      yield* fill("Low", 20)
      for (let n = 0; n < 3; n++) yield* start({ tasks: [High, Normal, Low], concurrency: 2, bufferSize: 10 * n })
      yield* eventually(
        run<{ n: number }>("select count(*)::int as n from pg_task where task <> 'High'"),
        ([row]) => row!.n === 0
      )
      const last = Math.max(begun.lastIndexOf("Low"), begun.lastIndexOf("Normal"))
      assert.isAbove(count(begun.slice(0, last), "High"), 30)
      // If an eighth of them are these 120, it is 960.
      assert.isBelow(last, 5000)
    })
  )

  test(
    "a task of low priority begins between long steps, too",
    Effect.gen(function*() {
      const { enter, next, open } = yield* makeGates
      const { High, Low } = makeAll(enter)
      yield* fill("High", 50)
      yield* start({ tasks: [High, Low], concurrency: 1 })
      yield* Effect.addFinalizer(() => open)
      const first = yield* next
      const low = yield* Low.enqueue(new Job({ name: "low" }))
      yield* first.proceed
      const begun: Array<string> = []
      while (begun.at(-1) !== "Low") {
        const { proceed, task } = yield* next
        begun.push(task)
        // Longer than rows may wait in a worker.
        if (begun.length > 5) yield* Effect.sleep(1500)
        yield* proceed
        assert.isBelow(begun.length, 10)
      }
      yield* gone(low)
    })
  )
})

workerTests("a worker whose tasks have one priority", (test) => {
  test(
    "sends what one without priorities sends: one statement for all of its tasks",
    Effect.gen(function*() {
      const handler: Handler = () => Effect.succeed(NextStep.none)
      const claims = (priorities: ReadonlyArray<Priority>) =>
        Effect.gen(function*() {
          const network = yield* makeNetwork(yield* urlOfTest)
          yield* network.mend
          const tasks = priorities.map((priority, index) => make(`Task${index}`, priority, handler))
          const worker = yield* startWith(network.url, { tasks, pollInterval: "100 millis" })
          for (const task of tasks) yield* gone(yield* task.enqueue(new Job({ name: "a" })))
          yield* eventually(Effect.sync(network.statements), (n) => n > 20)
          yield* worker.stop
          const isClaim = (text: string) => text.includes("set is_running = true") && !text.includes("crashes > 0")
          return [...network.texts()].filter(isClaim)
        })
      const ofBoth = "task = $6 and"
      const ofAll = (texts: ReadonlyArray<string>) => texts.filter((text) => !text.includes("wakeup_at >= "))
      const plain = yield* claims([undefined, undefined])
      const alike = yield* claims(["high", "high"])
      assert.strictEqual(ofAll(plain).length, 1)
      assert.deepStrictEqual(ofAll(alike), ofAll(plain))
      for (const text of [...plain, ...alike]) assert.include(text, ofBoth)
      // The check itself: it must tell the two apart.
      for (const text of yield* claims(["high", "low"])) assert.notInclude(text, ofBoth)
    })
  )
})
