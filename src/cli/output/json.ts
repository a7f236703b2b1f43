/**
 * JSON as text, so that what isn't changed stays as it was written: JavaScript's numbers have 53 bits, those in a row
 * may have more. All functions but `isJson` expect valid JSON.
 */

export const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

const isSpace = (char: string) => char === " " || char === "\n" || char === "\r" || char === "\t"
const isMark = (char: string) => "{}[],:".includes(char)
const opens = (token: string) => token === "{" || token === "["
const closes = (token: string) => token === "}" || token === "]"

/** Where the string that begins at `start` ends. */
const endOfString = (json: string, start: number): number => {
  let end = start + 1
  while (json[end] !== "\"") end += json[end] === "\\" ? 2 : 1
  return end + 1
}

/** Where the number or the word that begins at `start` ends. */
const endOfWord = (json: string, start: number): number => {
  let end = start + 1
  while (end < json.length && !isSpace(json[end]!) && !isMark(json[end]!)) end++
  return end
}

/** Strings, numbers, words and marks: all but the space between them. */
function* tokensOf(json: string): Generator<string> {
  for (let start = 0; start < json.length;) {
    const char = json[start]!
    const end = char === "\"" ? endOfString(json, start) : isMark(char) ? start + 1 : endOfWord(json, start)
    if (!isSpace(char)) yield json.slice(start, end)
    start = isSpace(char) ? start + 1 : end
  }
}

/** Without the space between tokens. */
export const compact = (json: string): string => Array.from(tokensOf(json)).join("")

/** As `JSON.stringify` prints it for people: two spaces for each level. */
export const pretty = (json: string): string => {
  let text = ""
  let depth = 0
  let before = ""
  for (const token of tokensOf(json)) {
    if (closes(token)) depth--
    const isEmpty = opens(before) && closes(token)
    if (before === "," || (!isEmpty && (opens(before) || closes(token)))) text += `\n${"  ".repeat(depth)}`
    text += token === ":" ? ": " : token
    if (opens(token)) depth++
    before = token
  }
  return text
}

/** The members of an object, each value as it was written. If a name comes twice, the last one counts. */
export const membersOf = (json: string): ReadonlyMap<string, string> => {
  const members = new Map<string, string>()
  let member: Array<string> = []
  let depth = 0
  for (const token of tokensOf(json)) {
    if (closes(token)) depth--
    const isEnd = depth === 0 ? closes(token) : depth === 1 && token === ","
    if (isEnd && member.length > 0) {
      members.set(JSON.parse(member[0]!) as string, member.slice(2).join(""))
      member = []
    } else if (depth > 0) {
      member.push(token)
    }
    if (opens(token)) depth++
  }
  return members
}

/** The object with these members. */
export const objectOf = (members: ReadonlyMap<string, string>): string =>
  `{${Array.from(members, ([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`

const harmful = /[\u007f-\u009f\p{Bidi_Control}\u2028\u2029]/gu

/** A value as JSON. Also escapes the characters that JSON allows, but that control a terminal or turn its text. */
export const stringify = (value: unknown, indent?: number): string =>
  JSON.stringify(value, undefined, indent).replace(
    harmful,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
