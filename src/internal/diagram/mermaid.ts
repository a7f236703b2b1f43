/** A graph in Mermaid's language. */
import { colours, type Graph, type NodeStatus, type Node, visible } from "./graph.ts"

/**
 * Escapes everything that has a meaning in Mermaid, HTML or Markdown, as Mermaid's entities. For example, a label
 * "direction LR" would turn the whole picture, and "end note" would end a note.
 */
const escape = (text: string): string =>
  text
    .replace(/[^\p{L}\p{N} ]/gu, (char, offset: number) =>
      /[._/-]/.test(char) && /^[\p{L}\p{N}].[\p{L}\p{N}]/u.test(text.slice(Math.max(offset - 1, 0)))
        ? char
        : `#${char.codePointAt(0)};`)
    .replace(/(?<=direction) |(?<=end) (?=note)|^ | $/gi, "#32;")

/** The same for names and words with commas between them: people read the text of a diagram, too. */
const escapeList = (text: string): string => text.split(", ").map(escape).join(", ")

const declare = ({ counts, id, label }: Node): ReadonlyArray<string> => [
  ...(id === label && !counts?.length ? [] : [`state "${escape(label)}" as ${id}`]),
  ...(counts ?? []).map((line) => `${id} : ${line}`)
]

const note = ({ id, notes }: Node): ReadonlyArray<string> =>
  notes.length === 0
    ? []
    : [`note right of ${id}`, ...notes.map((line) => `  ${line.split(": ").map(escapeList).join(": ")}`), "end note"]

const arrow = (from: string, to: string, label: string | undefined): string =>
  `${from} --> ${to}${label === undefined ? "" : ` : ${escapeList(visible(label))}`}`

const paint = (nodes: ReadonlyArray<Node>): ReadonlyArray<string> => {
  const moods = new Set(nodes.flatMap(({ mood }) => mood ?? []))
  const unknown = nodes.filter((node) => node.unknown)
  const waiting = nodes.filter(({ waits }) => waits)
  return [
    ...[...moods].map((mood) => `classDef ${mood} ${styleOf(mood)}`),
    ...nodes.filter(({ mood }) => mood !== undefined).map(({ id, mood }) => `class ${id} ${mood}`),
    ...(unknown.length === 0 ? [] : ["classDef unknown stroke-dasharray:4"]),
    ...unknown.map(({ id }) => `class ${id} unknown`),
    ...(waiting.length === 0 ? [] : ["classDef waits stroke-dasharray:2,stroke-width:2px"]),
    ...waiting.map(({ id }) => `class ${id} waits`)
  ]
}

const styleOf = (mood: NodeStatus): string => `fill:${colours[mood].fill},stroke:${colours[mood].stroke},color:#1f2328`

export const renderMermaid = ({ direction, edges, ends, entries, exits, nodes, title }: Graph): string => {
  const lines = [
    `direction ${direction}`,
    ...nodes.flatMap(declare),
    ...entries.map(({ id }) => `[*] --> ${id}`),
    ...edges.map(({ from, label, to }) => arrow(from.id, to.id, label)),
    ...ends.map(({ from, label }) => arrow(from.id, "[*]", label)),
    ...exits.map(({ id }) => `${id} --> [*] : may end`),
    ...nodes.flatMap(note),
    ...paint(nodes)
  ]
  // Strings of JSON are valid in YAML, too. Mermaid reads a title that begins with < as HTML, and there is no escape.
  const quoted = JSON.stringify(title.replaceAll("<", "＜"))
  return `---\ntitle: ${quoted}\n---\nstateDiagram-v2\n${lines.map((line) => `  ${line}\n`).join("")}`
}
