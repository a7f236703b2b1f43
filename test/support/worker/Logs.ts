/** What a worker logs, kept for a test to look at. */
import { Effect, Layer, Logger, References } from "effect"
import { eventually } from "./Wait.ts"

/** One line of the log. */
export interface Line {
  readonly level: string
  readonly message: string
  readonly annotations: Readonly<Record<string, unknown>>
}

export interface Logs {
  /** Provide it to a worker. */
  readonly layer: Layer.Layer<never>
  /** All lines so far. */
  readonly lines: () => ReadonlyArray<Line>
  /** All lines so far that have this in their message. */
  readonly find: (part: string) => ReadonlyArray<Line>
  /** The first line, past or to come, that has this in its message. */
  readonly line: (part: string) => Effect.Effect<Line>
}

const textOf = (message: unknown) => (Array.isArray(message) ? message.map(String).join(" ") : String(message))

export const capture = (level: "Debug" | "Info" = "Debug"): Logs => {
  const lines: Array<Line> = []
  const logger = Logger.make(({ fiber, logLevel, message }) => {
    const annotations = { ...fiber.getRef(References.CurrentLogAnnotations) }
    lines.push({ level: logLevel, message: textOf(message), annotations })
  })
  const find = (part: string) => lines.filter(({ message }) => message.includes(part))
  return {
    layer: Layer.merge(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, level)),
    lines: () => lines,
    find,
    line: (part) =>
      Effect.map(eventually(Effect.sync(() => find(part)), (found) => found.length > 0), (found) => found[0]!)
  }
}
