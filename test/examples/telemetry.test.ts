/**
 * The example runs as its npm script runs it, and exports to a collector of the test's own.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeDatabase } from "../support/database/Database.ts"
import { freePort } from "../support/process/freePort.ts"
import * as Script from "../support/process/Script.ts"
import { type Collector, makeCollector } from "../support/telemetry/Collector.ts"
import { eventually } from "../support/worker/Wait.ts"

const run = Effect.fnUntraced(function*(exportTo: string) {
  const { url } = yield* makeDatabase
  const port = yield* freePort
  const script = yield* Script.run("examples/telemetry.ts", {
    env: { DATABASE_URL: url, OTEL_EXPORTER_OTLP_ENDPOINT: exportTo, PORT: `${port}` }
  })
  const get = (path: string) =>
    Effect.promise(async () => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`)
      return { status: response.status, type: response.headers.get("content-type"), text: await response.text() }
    })
  return { script, get }
})

const spansOf = ({ spans }: Collector, traceId: string) => spans().filter((span) => span.traceId === traceId)

/** The trace of the first order, once it is complete. */
const firstTrace = Effect.fnUntraced(function*(collector: Collector) {
  const checkout = () =>
    collector.spans().find(({ attributes, name }) => name === "checkout" && attributes["order"] === 11)
  yield* collector.until(() => {
    const found = checkout()
    return found !== undefined && spansOf(collector, found.traceId).some(({ name }) => name === "Order.Ship")
  })
  return { checkout: checkout()!, spans: spansOf(collector, checkout()!.traceId) }
})

const assertSpans = ({ checkout, spans }: Effect.Success<ReturnType<typeof firstTrace>>) => {
  const steps = spans.filter(({ name }) => name.startsWith("Order."))
  assert.deepStrictEqual(
    steps.map(({ attributes, kind, name, parentSpanId, service, status }) => ({
      name,
      kind,
      service,
      ofCheckout: parentSpanId === checkout.spanId,
      attempt: attributes["pg_task.attempt"],
      outcome: attributes["pg_task.outcome"],
      status: status.code
    })),
    [
      { name: "Order.Charge", attempt: 1, outcome: "retried", status: 2 },
      { name: "Order.Charge", attempt: 2, outcome: "rescheduled", status: 1 },
      { name: "Order.Ship", attempt: 1, outcome: "finished", status: 1 }
    ].map((step) => ({ ...step, kind: 5, service: "shop", ofCheckout: true }))
  )
  assert.strictEqual(steps[0]!.status.message, "the payment service is away")
  for (const { attributes, name } of steps) {
    assert.strictEqual(`${String(attributes["pg_task.task"])}.${String(attributes["pg_task.step"])}`, name)
    assert.match(attributes["pg_task.id"] as string, /^[0-9a-f-]{36}$/)
    assert.isAtLeast(attributes["pg_task.wait_ms"] as number, 0)
  }
  const call = spans.find(({ name }) => name === "call the payment service")
  assert.strictEqual(call?.parentSpanId, steps[1]!.spanId)
}

const metricsOfWorker = {
  pg_task_steps_total: "1",
  pg_task_step_duration_milliseconds: "ms",
  pg_task_step_wait_milliseconds: "ms",
  pg_task_leases_lost_total: "1",
  pg_task_leases_rescued_total: "1",
  pg_task_buffered: "{task}",
  pg_task_running: "{step}",
  pg_task_batch_size: "1",
  pg_task_database_reconnects_total: "1",
  pg_task_tasks: "{task}",
  pg_task_oldest_ready_age_milliseconds: "ms"
}

describe("npm run telemetry", () => {
  it.live(
    "exports traces, metrics and logs, answers Prometheus and probes, and sends the rest when it ends",
    () =>
      Effect.gen(function*() {
        const collector = yield* makeCollector
        const { get, script } = yield* run(collector.url)
        assertSpans(yield* firstTrace(collector))

        yield* collector.until(() =>
          Object.keys(metricsOfWorker).every((name) => collector.metrics().some((metric) => metric.name === name))
        )
        const units = collector.metrics().map(({ name, unit }) => [name, unit])
        assert.deepInclude(Object.fromEntries(units), metricsOfWorker)

        const shipped = () => collector.logs().find(({ message }) => message === "Order 11 is on its way")
        yield* collector.until(() => shipped() !== undefined)
        const { checkout, spans } = yield* firstTrace(collector)
        const step = spans.find(({ name }) => name === "Order.Ship")!
        assert.deepInclude(shipped(), { severity: "Info", traceId: checkout.traceId, spanId: step.spanId })
        assert.deepInclude(shipped()!.attributes, { task: "Order", step: "Ship", attempt: 1 })

        assert.deepInclude(yield* get("/ready"), { status: 200, text: `{"alive":true}` })
        const parked = /^pg_task_tasks\{task="Order",status="parked"\} 1$/m
        const { status, text, type } = yield* eventually(get("/metrics"), ({ text }) => parked.test(text))
        assert.deepStrictEqual([status, type], [200, "text/plain; version=0.0.4; charset=utf-8"])
        assert.match(text, /^# TYPE pg_task_steps_total counter$/m)
        assert.match(text, /^pg_task_steps_total\{task="Order",step="Charge",outcome="retried"\} \d+$/m)
        assert.match(text, /^pg_task_step_duration_milliseconds_bucket\{.*task="Order",step="Ship",le="16"\} \d+$/m)

        yield* script.kill("SIGINT")
        assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
        assert.isTrue(collector.logs().some(({ message }) => message === "Worker stopped"))
        // Nothing but what the shop and its steps do: no statement of the worker, no probe, no scrape.
        assert.deepStrictEqual(
          [...new Set(collector.spans().map(({ name }) => name))].sort(),
          ["Order.Charge", "Order.Ship", "call the payment service", "checkout", "postgres"]
        )
        const checkouts = new Set(
          collector.spans().filter(({ name }) => name === "checkout").map(({ spanId }) => spanId)
        )
        for (const { attributes, name, parentSpanId } of collector.spans()) {
          if (name === "postgres") assert.isTrue(checkouts.has(parentSpanId!), String(attributes["db.query.text"]))
        }
      })
  )

  it.live("runs without a collector, too", () =>
    Effect.gen(function*() {
      const { get, script } = yield* run(`http://127.0.0.1:${yield* freePort}`)
      yield* script.line("Order 11 is on its way")
      const finished = /^pg_task_steps_total\{task="Order",step="Ship",outcome="finished"\} [1-9]/m
      yield* eventually(get("/metrics"), ({ text }) => finished.test(text))
      yield* script.kill("SIGINT")
      assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
    }))
})
