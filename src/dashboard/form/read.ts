/** What was sent with a form, as the fields of a state in JSON. */
import type { Choice, Field } from "./fields.ts"
import { type Content, pathOf, Unparsed } from "./render.ts"
import { isRecord } from "./state.ts"

type Fields = Readonly<Record<string, unknown>>

interface Reading {
  readonly form: URLSearchParams
  /** Messages about texts that are no JSON. */
  readonly wrong: Map<string, ReadonlyArray<string>>
}

const parseJson = (text: string, path: string, { wrong }: Reading): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    wrong.set(path, [`This is not JSON: ${(error as Error).message}`])
    return new Unparsed(text)
  }
}

/** A text that is no number stays a text: then the schema says what it expected. */
const numberOf = (text: string): unknown => {
  const trimmed = text.trim()
  return trimmed !== "" && Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed
}

const choiceOf = (text: string, choices: ReadonlyArray<Choice>): unknown =>
  /^\d+$/.test(text) ? choices[Number(text)] : undefined

const readValue = (field: Field, path: string, current: unknown, reading: Reading): unknown => {
  const { control } = field
  const given = reading.form.get(`f/${path}`)
  if (reading.form.has(`j/${path}`)) return parseJson(given ?? "", path, reading)
  if (control.kind === "object") return readFields(control.fields, path, isRecord(current) ? current : {}, reading)
  if (given === null) return current
  // Browsers end lines as the mail does.
  const text = given.replaceAll("\r\n", "\n")
  if (control.kind === "json") return parseJson(text, path, reading)
  if (control.kind === "number") return numberOf(text)
  return control.kind === "choice" ? choiceOf(text, control.choices) : text
}

const readMasked = (field: Field, path: string, current: unknown, { form }: Reading): unknown => {
  const given = form.get(`f/${path}`)
  return field.control.kind !== "text" || given === null || given === "" ? current : given
}

/** Whoever types a value easily forgets to choose it beside the field. What they typed must not be lost in silence. */
const unchosen = {
  absent: "There is a value, but \"left out\" was chosen: send it now, or empty it and choose \"left out\"",
  null: "There is a value, but \"null\" was chosen: send it now, or empty it and choose \"null\""
}

const isTyped = (path: string, { form }: Reading): boolean =>
  [...form].some(([name, text]) =>
    (name === `f/${path}` || name.startsWith(`f/${path}/`)) && !["", "null"].includes(text.trim())
  )

const readField = (field: Field, path: string, current: unknown, reading: Reading): unknown => {
  const mode = reading.form.get(`m/${path}`)
  if (mode === "absent" || mode === "null") {
    const isEmpty = (current ?? null) === null
    if (!isEmpty || !isTyped(path, reading)) return mode === "null" ? null : undefined
    // Shown again with what was typed, and as a value.
    reading.wrong.set(path, [unchosen[mode]])
  }
  return field.masked ? readMasked(field, path, current, reading) : readValue(field, path, current, reading)
}

/** `current` is what is stored: masked fields keep it. */
const readFields = (fields: ReadonlyArray<Field>, path: string, current: Fields, reading: Reading): Fields =>
  Object.fromEntries(
    fields.map((field) => [field.name, readField(field, pathOf(path, field.name), current[field.name], reading)])
      .filter(([, value]) => value !== undefined)
  )

const notObject = "The fields must be an object"

export const readForm = (
  fields: ReadonlyArray<Field> | undefined,
  form: URLSearchParams,
  current: Fields
): Content => {
  const reading: Reading = { form, wrong: new Map() }
  if (fields !== undefined) return { values: readFields(fields, "", current, reading), wrong: reading.wrong }
  const values = parseJson(form.get("f/") ?? "", "", reading)
  if (values instanceof Unparsed) return { values: current, wrong: reading.wrong }
  return isRecord(values) ? { values, wrong: reading.wrong } : { values: current, wrong: new Map([["", [notObject]]]) }
}
