/**
 * A log for people: one short line per event, and the lines of an error below it. In production, take one of Effect's
 * own loggers, which also print the task's id and all other annotations.
 */
import * as Formatter from "effect/Formatter"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { CurrentLogAnnotations } from "effect/References"

const indent = `\n${" ".repeat(6)}`

const formatMessage = (message: unknown): string =>
  (Array.isArray(message) ? message : [message])
    .map((part) => typeof part === "string" ? part : Formatter.format(part))
    .join(" ")

const lines = Logger.make(({ date, fiber, logLevel, message }) => {
  const { attempt, step, task } = fiber.getRef(CurrentLogAnnotations)
  const subject = step === undefined ? "" : [task, ".", step, ", try ", attempt, ": "].join("")
  const text = `${subject}${formatMessage(message)}`.replaceAll("\n", indent)
  return `${date.toLocaleTimeString("en-GB")} ${logLevel.toUpperCase().padEnd(5)} ${text}`
})

/** Logs to the console, in place of Effect's default logger. */
export const LinesLive: Layer.Layer<never> = Logger.layer([Logger.withConsoleLog(lines)])
