/** The trace that a task belongs to, as the row carries it: a W3C `traceparent`. */
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

const pattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** The `traceparent` of the span in which a task is enqueued, or null outside of any. */
export const currentTrace: Effect.Effect<string | null> = Effect.map(
  Effect.option(Effect.currentParentSpan),
  (span) =>
    span._tag === "None" ? null : `00-${span.value.traceId}-${span.value.spanId}-${span.value.sampled ? "01" : "00"}`
)

/** The span to continue, if the row carries one that can be read. */
export const parentSpan = (trace: string | null): Tracer.ExternalSpan | undefined => {
  const match = trace === null ? null : pattern.exec(trace)
  return match === null ? undefined : Tracer.externalSpan({
    traceId: match[1]!,
    spanId: match[2]!,
    sampled: match[3] === "01"
  })
}
