/** A form for the fields of a state. It works without any script. */
import { attribute, type Child, exact, type Html, html, isPlain } from "../html.ts"
import { type Choice, type Control, type Field, holdsMask } from "./fields.ts"
import { isRecord } from "./state.ts"

/** What stands in the form, and what is wrong with it. */
export interface Content {
  readonly values: Readonly<Record<string, unknown>>
  /** Messages by the path of their field. */
  readonly wrong: ReadonlyMap<string, ReadonlyArray<string>>
}

/** What was sent as JSON, and is none: it is shown again as it is. */
export class Unparsed {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** Names of fields may hold anything. */
export const pathOf = (path: string, name: string): string =>
  path === "" ? encodeURIComponent(name) : `${path}/${encodeURIComponent(name)}`

/** Whether a control can show a value, and give it back. */
const shows: { readonly [K in Control["kind"]]: (value: unknown, control: Extract<Control, { kind: K }>) => boolean } =
  {
    text: (value) => typeof value === "string" && isPlain(value),
    number: (value) =>
      typeof value === "number" || (typeof value === "string" && isPlain(value) && !value.includes("\n")),
    choice: (value, { choices }) => choices.includes(value as Choice),
    object: (value) => isRecord(value) && !(value instanceof Unparsed),
    json: () => true
  }

/** What its own control can't show is edited as JSON. */
const fits = ({ control, masked }: Field, value: unknown): boolean =>
  masked || value === undefined || value === null || shows[control.kind](value, control as never)

const hidden = (name: string, value: string) => html`<input type="hidden" name="${name}" value="${exact(value)}">`

/** JSON without invisible characters: as escapes they survive the way through the browser. */
const jsonOf = (value: unknown): string =>
  (JSON.stringify(value, null, 2) ?? "").replace(
    /[^\P{C}\n]|[\p{Bidi_Control}\u2028\u2029]/gu,
    (char) =>
      [...Array(char.length).keys()].map((at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, "0")}`).join("")
  )

interface Input {
  readonly field: Field
  readonly path: string
  readonly value: unknown
  readonly describedBy: string
  readonly isWrong: boolean
}

const common = ({ describedBy, isWrong, path }: Input): Html =>
  html`id="f/${path}" name="f/${path}"${describedBy === "" ? "" : html` aria-describedby="${describedBy}"`}${
    isWrong ? html` aria-invalid="true"` : ""
  }`

/** A line break at the beginning of a text area is not part of its value: so there is always one. */
const area = (input: Input, text: string, kind: string, rows: number): Html =>
  html`<textarea class="${kind}" rows="${rows}" spellcheck="false" ${common(input)}>
${exact(text)}</textarea>`

const linesIn = (text: string): number => Math.min(20, Math.max(3, text.split("\n", 20).length + 1))

const jsonArea = (input: Input): Html => {
  const { value } = input
  const text = value === undefined ? "" : value instanceof Unparsed ? value.text : jsonOf(value)
  return html`${hidden(`j/${input.path}`, "1")}${area(input, text, "code", linesIn(text))}`
}

const choose = (input: Input, choices: ReadonlyArray<Choice>): Html =>
  html`<select ${common(input)}>${
    choices.includes(input.value as Choice) ? "" : html`<option value="">choose</option>`
  }${
    choices.map((choice, index) =>
      html`<option value="${index}"${attribute("selected", choice === input.value)}>${String(choice)}</option>`
    )
  }</select>`

const control = (input: Input): Html => {
  const { field, value } = input
  if (field.masked) {
    return field.control.kind === "text"
      ? html`<input type="password" autocomplete="off" placeholder="leave empty to keep it" ${common(input)}>`
      : html`<p class="hint">It is masked, and kept as it is.</p>`
  }
  if (field.control.kind === "json" || !fits(field, value)) return jsonArea(input)
  if (field.control.kind === "choice") return choose(input, field.control.choices)
  // A text or a number: anything else does not fit.
  const text = value === undefined || value === null ? "" : `${value as string | number}`
  if (field.control.kind === "number") {
    return html`<input inputmode="decimal" autocomplete="off" value="${exact(text)}" ${common(input)}>`
  }
  return text.includes("\n") || text.length > 80
    ? area(input, text, "text", linesIn(text))
    : html`<input autocomplete="off" spellcheck="false" value="${exact(text)}" ${common(input)}>`
}

/** Whether a field that may be absent or null is one of the two. */
const modes = ({ nullable, optional }: Field, path: string, value: unknown): Html => {
  if (!nullable && !optional) return html``
  const option = (mode: string, text: string, chosen: boolean) =>
    html`<option value="${mode}"${attribute("selected", chosen)}>${text}</option>`
  return html`<select name="m/${path}" aria-label="Whether there is a value">${
    option("value", "this value", value !== undefined && value !== null)
  }${nullable ? option("null", "null", value === null) : ""}${
    optional ? option("absent", "left out", value === undefined) : ""
  }</select>`
}

const messagesOf = (messages: ReadonlyArray<string> | undefined, id: string): Html =>
  messages === undefined
    ? html``
    : html`<p class="wrong" id="${id}">${
      messages.map((message, index) => html`${index > 0 ? html`<br>` : ""}${message}`)
    }</p>`

const group = (field: Field, path: string, value: unknown, wrong: Content["wrong"]): Html => {
  const { control } = field
  const fields = control.kind === "object" ? control.fields : []
  return html`<fieldset><legend>${field.title}</legend>${modes(field, path, value)}${
    messagesOf(wrong.get(path), `w/${path}`)
  }${renderFields(fields, path, { values: isRecord(value) ? value : {}, wrong })}</fieldset>`
}

/** What does not fit is shown as a whole: not if a part of it is masked. */
const guarded = (field: Field, value: unknown): Field =>
  !fits(field, value) && holdsMask(field) ? { ...field, masked: true } : field

const renderField = (given: Field, path: string, { values, wrong }: Content): Html => {
  const value = values[given.name]
  const field = guarded(given, value)
  if (field.control.kind === "object" && !field.masked && fits(field, value)) return group(field, path, value, wrong)
  // What is wrong inside of a value that is edited as a whole belongs to the whole.
  const messages = [...wrong].flatMap(([at, found]) => at === path || at.startsWith(`${path}/`) ? found : [])
  const ids = [...(field.hint === undefined ? [] : [`h/${path}`]), ...(messages.length === 0 ? [] : [`w/${path}`])]
  const input = { field, path, value, describedBy: ids.join(" "), isWrong: messages.length > 0 }
  const isShown = !field.masked || field.control.kind === "text"
  const label: Child = isShown
    ? html`<label for="f/${path}">${field.title}</label>`
    : html`<p><b>${field.title}</b></p>`
  return html`<div class="field"${messages.length > 0 ? html` data-wrong` : ""}>${label}${
    field.hint === undefined ? "" : html`<p class="hint" id="h/${path}">${field.hint}</p>`
  }<div class="line">${control(input)}${isShown ? modes(field, path, value) : ""}</div>${
    messagesOf(messages.length === 0 ? undefined : messages, `w/${path}`)
  }</div>`
}

export const renderFields = (fields: ReadonlyArray<Field>, path: string, content: Content): Html =>
  html`${fields.map((field) => renderField(field, pathOf(path, field.name), content))}`

/** The whole state as JSON: where the schema is no plain struct. */
export const renderJson = ({ values, wrong }: Content): Html => {
  const messages = [...wrong.values()].flat()
  return html`<div class="field"${
    messages.length > 0 ? html` data-wrong` : ""
  }><label for="f/">Its fields, as JSON</label>${
    area(
      {
        field: whole,
        path: "",
        value: values,
        describedBy: messages.length > 0 ? "w/" : "",
        isWrong: messages.length > 0
      },
      jsonOf(values),
      "code",
      12
    )
  }${messagesOf(messages.length === 0 ? undefined : messages, "w/")}</div>`
}

const whole: Field = {
  name: "",
  title: "",
  hint: undefined,
  control: { kind: "json" },
  optional: false,
  nullable: false,
  masked: false
}
