/** A failure as the text that a parked row keeps: every error with the chain of what caused it. */
import * as Cause from "effect/Cause"
import { hasProperty } from "effect/Predicate"
import { safely } from "./safely.ts"

/** A chain longer than this is circular, or of no use to a reader. */
const maxDepth = 10

/** A row is read by people: what is longer than this is cut. In characters. */
const maxLength = 20_000

const unprintable = "an error that can't be printed: reading it throws"

const jsonOf = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}

const describe = (value: unknown): string => {
  if (typeof value === "string") return value
  if (!(value instanceof Error) && !hasProperty(value, "message")) return jsonOf(value)
  const tag = hasProperty(value, "_tag") && typeof value._tag === "string" ? value._tag : undefined
  const name = tag ?? (hasProperty(value, "name") && typeof value.name === "string" ? value.name : "Error")
  const message = String(value.message)
  return message.length === 0 || message === name ? name : `${name}: ${message}`
}

/** An error and what caused it, from the outermost inwards. */
const chainOf = (error: unknown): ReadonlyArray<string> => {
  const chain: Array<string> = []
  for (let value = error, depth = 0; value !== undefined && value !== null && depth < maxDepth; depth++) {
    const text = safely(() => describe(value), unprintable).slice(0, maxLength)
    if (text !== chain.at(-1)) chain.push(text)
    value = safely(() => hasProperty(value, "cause") ? value.cause : undefined, undefined)
  }
  return chain
}

/** A defect is a bug: where it was thrown says more than its message. */
const stackOf = (defect: unknown): string =>
  defect instanceof Error && typeof defect.stack === "string"
    ? "\n" + defect.stack.split("\n").filter((line) => line.startsWith("    at ")).slice(0, 8).join("\n")
    : ""

const formatReason = (reason: Cause.Reason<unknown>): string => {
  if (Cause.isInterruptReason(reason)) return "The step was interrupted from inside"
  const error = Cause.isFailReason(reason) ? reason.error : reason.defect
  const text = chainOf(error).join("\n  caused by: ")
  return Cause.isFailReason(reason) ? text : `Defect: ${text}${safely(() => stackOf(error), "")}`
}

/** Postgres's text can't hold NUL, nor half a character (a surrogate without the other). */
export const storable = (text: string): string =>
  text.slice(0, maxLength).replaceAll("\0", "\\0").replaceAll(/\p{Surrogate}/gu, "\ufffd")

export const formatCause = (cause: Cause.Cause<unknown>): string =>
  storable(cause.reasons.map(formatReason).join("\n") || "The step failed without an error")
