/** A failure as the text that a parked row keeps: every error with the chain of what caused it. */
import * as Cause from "effect/Cause"
import { causeOf, describe, type ErrorText } from "./errorText.ts"
import { safely } from "../sql/safely.ts"

/** A chain longer than this is circular, or of no use to a reader. */
const maxDepth = 10

/** A row is read by people: what is longer than this is cut. In characters. */
const maxLength = 20_000

/** What is told of an error that can't be read: its cause, if that can. */
const unprintable = (error: unknown): ErrorText => ({
  text: "an error that can't be printed: reading it throws",
  bare: false,
  cause: causeOf(error)
})

/** The same as `describe`, for whatever a step may fail with. It never throws. */
const describeSafely = (error: unknown): ErrorText => {
  const told = safely(() => describe(error), undefined)
  return told === undefined ? unprintable(error) : { ...told, text: told.text.slice(0, maxLength) }
}

/** An error and what caused it, from the outermost inwards. One that is only a name is told together with its cause. */
const chainOf = (error: unknown): ReadonlyArray<string> => {
  const chain: Array<string> = []
  let names = ""
  for (let value = error, depth = 0; value !== undefined && value !== null && depth < maxDepth; depth++) {
    const { bare, cause, text } = describeSafely(value)
    const last = cause === undefined || cause === null || depth === maxDepth - 1
    if (bare && !last) names += `${text}: `
    else {
      if (names + text !== chain.at(-1)) chain.push(names + text)
      names = ""
    }
    value = cause
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
export const toPostgresText = (text: string): string =>
  text.slice(0, maxLength).replaceAll("\0", "\\0").replaceAll(/\p{Surrogate}/gu, "\ufffd")

export const formatCause = (cause: Cause.Cause<unknown>): string =>
  toPostgresText(cause.reasons.map(formatReason).join("\n") || "The step failed without an error")
