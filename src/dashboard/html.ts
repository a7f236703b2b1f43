/** HTML as a tagged template: whatever is put into it is escaped, unless it is HTML itself. */

/** A piece of HTML that is safe as it is. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** What a template takes. Nothing is shown for null, undefined and false. */
export type Child = Html | string | number | null | undefined | false | ReadonlyArray<Child>

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\"": "&quot;",
  "'": "&#39;",
  "\r": "&#13;"
}

const escape = (text: string): string => text.replace(/[&<>"'\r]/g, (char) => entities[char]!)

/**
 * Characters that nobody sees, or that change how others are shown: control characters, those that turn the direction
 * of text, invisible ones, and halves of surrogate pairs. Line breaks and tabs are not among them.
 */
const deceptive = /[^\P{Cc}\n\t]|[\p{Cs}\p{Bidi_Control}\u00ad\u180e\u200b\u2028\u2029\u2060-\u2064\ufeff]/gu

const escapeUnit = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`

/** Makes every deceptive character visible, as JavaScript writes it. */
export const visible = (text: string): string => text.replace(deceptive, escapeUnit)

/** Whether a text has no deceptive character. */
export const isPlain = (text: string): boolean => visible(text) === text

const render = (child: Child): string => {
  if (child === null || child === undefined || child === false) return ""
  if (child instanceof Html) return child.text
  return typeof child === "object" ? child.map(render).join("") : escape(visible(String(child)))
}

/** Makes HTML. */
export const html = (strings: TemplateStringsArray, ...children: ReadonlyArray<Child>): Html =>
  new Html(strings.reduce((text, string, index) => text + render(children[index - 1]) + string))

/** Text as it is, with no character replaced: the value of a field, which is sent back. */
export const exact = (text: string): Html => new Html(escape(text))

/** The value of attributes that have none: `checked`, `selected`. */
export const attribute = (name: string, set: boolean): Html => new Html(set ? ` ${name}` : "")

/** The first characters of a text that may be long. */
export const cut = (text: string, length: number): string => text.length <= length ? text : `${text.slice(0, length)}…`

/** An address with a query. Parameters that are undefined are left out. */
export const address = (
  page: string,
  query: Readonly<Record<string, string | number | ReadonlyArray<string> | undefined>>
): string => {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined) params.append(name, String(one))
    }
  }
  const text = params.toString()
  return text === "" ? page : `${page}?${text}`
}
