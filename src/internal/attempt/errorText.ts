/** What one error says, without what caused it. The first line is what lists show, and what errors are counted by. */
import * as Cause from "effect/Cause"
import { formatJson } from "effect/Formatter"
import { hasProperty, isObject } from "effect/Predicate"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { codeOf, messageOf } from "../sql/errors.ts"
import { safely } from "../sql/safely.ts"

/** The fields of an error stand on its first line: in characters, for one of them and for all. */
const maxField = 200
const maxFields = 500

export interface ErrorText {
  readonly text: string
  /** Nothing but a name: what went wrong is in the cause. */
  readonly bare: boolean
  readonly cause: unknown
}

const jsonOf = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}

const cut = (text: string, length: number) => text.length <= length ? text : `${text.slice(0, length - 1)}…`

const isText = (value: unknown): value is string => typeof value === "string"

/** What the chain of causes, the name and the message tell. */
const told = new Set(["_tag", "name", "message", "stack", "cause"])

/** Of errors without a tag, only what says more than their message: clients of all kinds put whole requests into them. */
const plainFields = new Set(["code", "status", "statusCode"])

/** Whether a message has a value in it: as a word of its own, so that 7 is not found in 17. */
const isIn = (message: string, value: unknown): boolean => {
  if (typeof value === "boolean" || (isObject(value) && Object.prototype.toString === value.toString)) return false
  const text = String(value)
  const at = message.indexOf(text)
  const isWord = (character: string | undefined) => character !== undefined && /\w/.test(character)
  return text !== "" && at >= 0 && !(isWord(message[at - 1]) || isWord(message[at + text.length]))
}

const isField = (message: string, [key, value]: readonly [string, unknown]): boolean =>
  !told.has(key) && !key.startsWith("~") && value !== undefined && typeof value !== "function"
  && !(value instanceof Error) && !isIn(message, value)

const fieldText = ([key, value]: readonly [string, unknown]): string =>
  `${JSON.stringify(key)}:${isText(value) ? JSON.stringify(cut(value, maxField)) : cut(formatJson(value), maxField)}`

const fieldsOf = (error: object, message: string, tagged: boolean): string => {
  const fields = Object.entries(error).filter((entry) =>
    (tagged || plainFields.has(entry[0])) && isField(message, entry)
  )
  return fields.length === 0 ? "" : `{${cut(fields.map(fieldText).join(","), maxFields)}}`
}

/** `Name: message {fields}`, whatever of it there is. The fields stand on the first line. */
const join = (name: string, message: string, fields: string): string => {
  const [first, ...rest] = (message === name ? "" : message).split("\n")
  const line = [first, fields].filter((part) => part !== "").join(" ")
  return [line === "" ? name : `${name}: ${line}`, ...rest].join("\n")
}

const nameOf = (error: object): { readonly name: string; readonly tagged: boolean } => {
  if (hasProperty(error, "_tag") && isText(error._tag)) return { name: error._tag, tagged: true }
  return { name: hasProperty(error, "name") && isText(error.name) ? error.name : "Error", tagged: false }
}

/** What caused an error, if that can be read. */
export const causeOf = (error: unknown): unknown =>
  safely(() => hasProperty(error, "cause") ? error.cause : undefined, undefined)

const describeObject = (error: object): ErrorText => {
  const { name, tagged } = nameOf(error)
  const own: unknown = hasProperty(error, "message") ? error.message : undefined
  const message = own === undefined ? "" : isText(own) ? own : jsonOf(own)
  const text = join(name, message, fieldsOf(error, message, tagged))
  return { text, bare: text === name, cause: causeOf(error) }
}

/** The fields of Postgres's own error, which are not in the driver's error classes. */
const fieldOf = (error: SqlError, name: string): string | undefined => {
  const { cause } = error.reason
  return hasProperty(cause, name) && isText(cause[name]) && cause[name] !== "" ? cause[name] : undefined
}

/** What Postgres refused, in its own words. The driver's wrappers around them say nothing more. */
const describeSql = (error: SqlError, code: string): ErrorText => {
  const [first, ...rest] = messageOf(error).split("\n")
  const constraint = fieldOf(error, "constraint")
  const named = constraint === undefined || first!.includes(constraint) ? "" : `, constraint "${constraint}"`
  const more = ["detail", "hint"].flatMap((name) => {
    const text = fieldOf(error, name)
    return text === undefined ? [] : [`  ${name}: ${text}`]
  })
  const text = [`SqlError: ${first} (SQLSTATE ${code}${named})`, ...rest, ...more].join("\n")
  return { text, bare: false, cause: undefined }
}

/** What `Effect.try` and `Effect.tryPromise` put around whatever was thrown. */
const isWrapper = (error: unknown): error is Cause.UnknownError =>
  Cause.isUnknownError(error) && error.cause !== undefined && error.message.startsWith("An error occurred in Effect.")

export const describe = (error: unknown): ErrorText => {
  if (isWrapper(error)) return describe(error.cause)
  if (isSqlError(error)) {
    const code = codeOf(error)
    return code === undefined
      // The driver's words come after what really happened.
      ? { text: `SqlError: ${messageOf(error)}`, bare: false, cause: error.cause }
      : describeSql(error, code)
  }
  const told = isObject(error) &&
    (error instanceof Error || hasProperty(error, "message") || hasProperty(error, "_tag"))
  return told ? describeObject(error) : { text: isText(error) ? error : jsonOf(error), bare: false, cause: undefined }
}
