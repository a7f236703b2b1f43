/** An OTLP receiver that keeps what it gets, as JSON, for a test to look at. */
import { Effect, type Scope } from "effect"
import { createServer, type IncomingMessage, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { text } from "node:stream/consumers"
import { eventually } from "../worker/Wait.ts"

type Values = Readonly<Record<string, unknown>>

export interface Span {
  readonly service: unknown
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  /** 1: internal, 3: client, 5: consumer. */
  readonly kind: number
  readonly attributes: Values
  /** 1: ok, 2: error. */
  readonly status: { readonly code: number; readonly message?: string }
}

export interface Metric {
  readonly name: string
  readonly unit: string
  /** The attributes of its series. */
  readonly series: ReadonlyArray<Values>
}

export interface Log {
  readonly severity: string
  readonly message: unknown
  readonly attributes: Values
  readonly traceId?: string
  readonly spanId?: string
}

export interface Collector {
  readonly url: string
  /** All that has come so far. */
  readonly spans: () => ReadonlyArray<Span>
  readonly metrics: () => ReadonlyArray<Metric>
  readonly logs: () => ReadonlyArray<Log>
  /** Waits until something has come. */
  readonly until: (holds: () => boolean) => Effect.Effect<unknown>
}

interface KeyValue {
  readonly key: string
  readonly value: Values
}

/** Only what is read here. OTLP's own names. */
interface Payload {
  readonly resourceSpans?: ReadonlyArray<{
    readonly resource: { readonly attributes: ReadonlyArray<KeyValue> }
    readonly scopeSpans: ReadonlyArray<
      { readonly spans: ReadonlyArray<Span & { readonly attributes: ReadonlyArray<KeyValue> }> }
    >
  }>
  readonly resourceMetrics?: ReadonlyArray<{
    readonly scopeMetrics: ReadonlyArray<{ readonly metrics: ReadonlyArray<OtlpMetric> }>
  }>
  readonly resourceLogs?: ReadonlyArray<{
    readonly scopeLogs: ReadonlyArray<{ readonly logRecords: ReadonlyArray<OtlpLog> }>
  }>
}

interface Points {
  readonly dataPoints: ReadonlyArray<{ readonly attributes: ReadonlyArray<KeyValue> }>
}

interface OtlpMetric {
  readonly name: string
  readonly unit: string
  readonly sum?: Points
  readonly gauge?: Points
  readonly histogram?: Points
}

interface OtlpLog {
  readonly severityText: string
  readonly body: Values
  readonly attributes: ReadonlyArray<KeyValue>
  readonly traceId?: string
  readonly spanId?: string
}

const valueOf = (value: Values) => Object.values(value)[0]

const valuesOf = (attributes: ReadonlyArray<KeyValue>): Values =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]))

const spansIn = ({ resourceSpans = [] }: Payload): ReadonlyArray<Span> =>
  resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = valuesOf(resource.attributes)["service.name"]
    return scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({ ...span, service, attributes: valuesOf(span.attributes) }))
    )
  })

const metricsIn = ({ resourceMetrics = [] }: Payload): ReadonlyArray<Metric> =>
  resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
    .map(({ gauge, histogram, name, sum, unit }) => {
      const { dataPoints } = (sum ?? gauge ?? histogram)!
      return { name, unit, series: dataPoints.map(({ attributes }) => valuesOf(attributes)) }
    })

const logsIn = ({ resourceLogs = [] }: Payload): ReadonlyArray<Log> =>
  resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords))
    .map(({ attributes, body, severityText, ...ids }) => ({
      ...ids,
      severity: severityText,
      message: valueOf(body),
      attributes: valuesOf(attributes)
    }))

const listen = (onBody: (body: string) => void): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const receive = async (request: IncomingMessage, end: () => void) => {
        onBody(await text(request))
        end()
      }
      const server = createServer((request, response) => void receive(request, () => response.end("{}")))
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )

/** Receives for as long as the scope is open. */
export const makeCollector: Effect.Effect<Collector, never, Scope.Scope> = Effect.gen(function*() {
  const payloads: Array<Payload> = []
  const server = yield* listen((body) => payloads.push(JSON.parse(body) as Payload))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: () => payloads.flatMap(spansIn),
    metrics: () => payloads.flatMap(metricsIn),
    logs: () => payloads.flatMap(logsIn),
    until: (holds) => eventually(Effect.sync(holds), (true_) => true_)
  }
})
