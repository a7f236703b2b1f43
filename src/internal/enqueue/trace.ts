/** The trace that a task belongs to, as the row carries it: a W3C `traceparent`. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

const pattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** The span that others may continue: if a span disables propagation, that is its parent. */
const propagated = (span: Tracer.AnySpan | undefined): Tracer.AnySpan | undefined => {
  if (span === undefined || !Context.get(span.annotations, Tracer.DisablePropagation)) return span
  return span._tag === "Span" ? propagated(Option.getOrUndefined(span.parent)) : undefined
}

/** The `traceparent` of the span in which a task is enqueued, or null if there is none. */
export const currentTrace: Effect.Effect<string | null> = Effect.map(
  Effect.option(Effect.currentParentSpan),
  (current) => {
    const span = propagated(Option.getOrUndefined(current))
    return span === undefined ? null : `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`
  }
)

/** The span to continue, if the row has a valid `traceparent`. */
export const parentSpan = (trace: string | null): Tracer.ExternalSpan | undefined => {
  const match = trace === null ? null : pattern.exec(trace)
  return match === null ? undefined : Tracer.externalSpan({
    traceId: match[1]!,
    spanId: match[2]!,
    // The flags are bits, and others may be set beside this one.
    sampled: (Number.parseInt(match[3]!, 16) & 1) === 1
  })
}
