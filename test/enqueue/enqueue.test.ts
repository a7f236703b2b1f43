import { assert } from "@effect/vitest"
import { DateTime, Duration, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../src/index.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { row, rows, run } from "../support/worker/Table.ts"

class ReadName extends Schema.TaggedClass<ReadName>()("ReadName", { filename: Schema.String }) {}
const SayHello = Schema.TaggedStruct("SayHello", { name: Schema.String })

const readName = Step.make(ReadName, {
  next: [SayHello],
  handler: ({ filename }) => Effect.succeed(NextStep.now(SayHello.make({ name: filename })))
})
const sayHello = Step.make(SayHello, { handler: () => Effect.succeed(NextStep.none) })
const Greeter = Task.make("Greeter", [readName, sayHello])

const name = (filename: string) => new ReadName({ filename })
const textOf = (filename: string) => `{"Greeter":{"ReadName":{"filename":"${filename}"}}}`

const day = 86_400_000

workerTests("enqueue", (test) => {
  test(
    "stores a task that is due, and returns its id",
    Effect.gen(function*() {
      const id = yield* Greeter.enqueue(name("name.txt"))
      assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      assert.deepStrictEqual(
        yield* run(
          `select id::text, step, task, tried, is_running, error, lease_token, lease_until, transitions, crashes, trace,
            wakeup_at = updated_at as due, updated_at <= created_at as fresh, created_at <= now() as past from pg_task`
        ),
        [{
          id,
          step: textOf("name.txt"),
          task: "Greeter",
          tried: 0,
          is_running: false,
          error: null,
          lease_token: null,
          lease_until: null,
          transitions: 0,
          crashes: 0,
          trace: null,
          due: true,
          fresh: true,
          past: true
        }]
      )
    })
  )

  test(
    "begins with any state of the task",
    Effect.gen(function*() {
      const id = yield* Greeter.enqueue(SayHello.make({ name: "Fedor" }))
      assert.strictEqual((yield* row(id))!.step, `{"Greeter":{"SayHello":{"name":"Fedor"}}}`)
    })
  )

  test(
    "stores nothing before it is run, and another task each time it is",
    Effect.gen(function*() {
      const enqueue = Greeter.enqueue(name("a"))
      assert.deepStrictEqual(yield* rows, [])
      const ids = [yield* enqueue, yield* enqueue]
      assert.deepStrictEqual((yield* rows).map(({ id }) => id).toSorted(), ids.toSorted())
    })
  )

  test(
    "gives each of many at once its own id",
    Effect.gen(function*() {
      const names = Array.from({ length: 200 }, (_, n) => `${n}`)
      const ids = yield* Effect.forEach(names, (each) => Greeter.enqueue(name(each)), { concurrency: "unbounded" })
      const byId = new Map((yield* rows).map(({ id, step }) => [id, step]))
      assert.deepStrictEqual(ids.map((id) => byId.get(id)), names.map(textOf))
    })
  )

  test(
    "remembers the span it was called in",
    Effect.gen(function*() {
      const span = yield* Effect.currentSpan
      yield* Greeter.enqueue(name("a"))
      yield* Greeter.enqueueAll([name("b")])
      const traceparent = `00-${span.traceId}-${span.spanId}-01`
      assert.deepStrictEqual(yield* run("select trace from pg_task"), [{ trace: traceparent }, { trace: traceparent }])
    }).pipe(Effect.withSpan("producer"))
  )
})

workerTests("delay", (test) => {
  const delays: ReadonlyArray<readonly [input: Duration.Input, millis: number]> = [
    ["3 days", 3 * day],
    ["1 second", 1000],
    [1500, 1500],
    [Duration.minutes(5), 300_000],
    [{ hours: 1, minutes: 1 }, 3_660_000],
    ["250 micros", 0.25],
    [Duration.days(36_500), 36_500 * day]
  ]
  for (const [input, millis] of delays) {
    test(
      `by ${JSON.stringify(input)}: waits so long from now, by Postgres's clock`,
      Effect.gen(function*() {
        assert.strictEqual((yield* row(yield* Greeter.delay(name("a"), input)))!.delay, millis)
      })
    )
  }

  for (const duration of [Duration.zero, Duration.seconds(-5), Duration.days(-400_000), Duration.negativeInfinity]) {
    test(
      `by ${Duration.format(duration)}: is due at once, behind what is due already`,
      Effect.gen(function*() {
        assert.deepInclude(yield* row(yield* Greeter.delay(name("a"), duration)), { status: "ready", delay: 0 })
      })
    )
  }

  for (const duration of [Duration.infinity, Duration.days(1e300)]) {
    test(
      `by ${Duration.toDays(duration)} days: waits for thousands of years`,
      Effect.gen(function*() {
        const stored = yield* row(yield* Greeter.delay(name("a"), duration))
        assert.strictEqual(stored!.status, "scheduled")
        assert.isAbove(stored!.delay, 5000 * 365 * day)
      })
    )
  }
})

workerTests("schedule", (test) => {
  const scheduled = Effect.fnUntraced(function*(dateTime: DateTime.DateTime, expected: string) {
    const id = yield* Greeter.schedule(name("a"), dateTime)
    const [found] = yield* run(
      `select wakeup_at = $2::timestamptz as exact, wakeup_at <= now() as due from pg_task where id = $1::uuid`,
      [id, expected]
    )
    return found
  })

  const moments: ReadonlyArray<readonly [moment: string, due: boolean]> = [
    ["2130-02-28T23:59:59.999Z", false],
    ["2001-09-09T01:46:40Z", true],
    ["1969-12-31T23:59:59.999Z", true],
    ["0001-01-01T00:00:00Z", true],
    ["9999-12-31T23:59:59.999Z", false]
  ]
  for (const [moment, due] of moments) {
    test(
      `at ${moment}: is due at that moment`,
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* scheduled(DateTime.makeUnsafe(moment), moment), { exact: true, due })
      })
    )
  }

  test(
    "in a zone: is due at that moment, wherever the database is",
    Effect.gen(function*() {
      const zoned = DateTime.makeZonedUnsafe("2130-07-01T00:00:00Z", { timeZone: "Asia/Kathmandu" })
      const sql = yield* SqlClient.SqlClient
      const found = yield* sql.withTransaction(
        Effect.andThen(run("set local time zone 'America/St_Johns'"), scheduled(zoned, "2130-07-01T00:00:00Z"))
      )
      assert.deepStrictEqual(found, { exact: true, due: false })
    })
  )

  for (const past of ["0000-12-31T23:59:59.999Z", "-000043-03-15T12:00:00Z", "-271821-04-20T00:00:00Z"]) {
    test(
      `at ${past}: is due at once`,
      Effect.gen(function*() {
        assert.strictEqual((yield* row(yield* Greeter.schedule(name("a"), DateTime.makeUnsafe(past))))!.status, "ready")
      })
    )
  }

  test(
    "at the end of JavaScript's time: waits for thousands of years",
    Effect.gen(function*() {
      const stored = yield* row(yield* Greeter.schedule(name("a"), DateTime.makeUnsafe(8.64e15)))
      assert.strictEqual(stored!.status, "scheduled")
      assert.isAbove(stored!.delay, 5000 * 365 * day)
    })
  )
})
