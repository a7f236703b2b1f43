/** A tracer that keeps its spans for a test to look at. */
import { Effect, Exit, Layer, Option, Tracer } from "effect"
import { eventually } from "../worker/Wait.ts"

/** A span that has ended, as tests compare it. */
export interface Ended {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly traceId: string
  readonly spanId: string
  /** The `spanId` of its parent. */
  readonly parent: string | undefined
  readonly sampled: boolean
  readonly attributes: Readonly<Record<string, unknown>>
  readonly exit: Exit.Exit<unknown, unknown>
}

export interface Spans {
  /** Provide it to whatever is to be traced. */
  readonly layer: Layer.Layer<never>
  /** All that have ended so far, in the order of their ends. */
  readonly ended: () => ReadonlyArray<Ended>
  /** Waits for the first of this name. */
  readonly named: (name: string) => Effect.Effect<Ended>
  /** Waits for so many, and returns all. */
  readonly atLeast: (count: number) => Effect.Effect<ReadonlyArray<Ended>>
}

const toEnded = (span: Tracer.NativeSpan): Ended => ({
  name: span.name,
  kind: span.kind,
  traceId: span.traceId,
  spanId: span.spanId,
  parent: Option.getOrUndefined(span.parent)?.spanId,
  sampled: span.sampled,
  attributes: Object.fromEntries(span.attributes),
  exit: span.status._tag === "Ended" ? span.status.exit : Exit.die("not ended")
})

class CapturedSpan extends Tracer.NativeSpan {
  onEnd: (() => void) | undefined
  override end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    super.end(endTime, exit)
    this.onEnd?.()
  }
}

export const capture = (): Spans => {
  const spans: Array<Ended> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new CapturedSpan(options)
      span.onEnd = () => spans.push(toEnded(span))
      return span
    }
  })
  return {
    layer: Layer.succeed(Tracer.Tracer, tracer),
    ended: () => spans,
    named: (name) => {
      const find = () => spans.find((span) => span.name === name)
      return Effect.map(eventually(Effect.sync(find), (span) => span !== undefined), (span) => span!)
    },
    atLeast: (count) => eventually(Effect.sync(() => spans), ({ length }) => length >= count)
  }
}
