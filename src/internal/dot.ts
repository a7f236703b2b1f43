/** A graph in Graphviz's words. */
import { colours, type Graph, type Node } from "./graph.ts"

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\\": "\\\\" }

/** Text in a label in HTML's way, in which Graphviz reads backslashes, too. */
const escape = (text: string): string => text.replace(/[&<>\\]/g, (char) => entities[char]!)

/** Something bold, for the eye to find first, and small lines under it. Graphviz refuses tags with nothing in them. */
const heading = (text: string, lines: ReadonlyArray<string>): string => {
  const head = `<b>${escape(text) || " "}</b>`
  return lines.length === 0
    ? `<${head}>`
    : `<${head}<br/><font point-size="11">${lines.map(escape).join("<br/>")}</font>>`
}

const colour = ({ mood }: Node): string =>
  mood === undefined ? "" : `, fillcolor="${colours[mood].fill}", color="${colours[mood].stroke}"`

const declare = (node: Node): string => {
  const label = heading(node.label, [...node.notes, ...(node.counts ?? [])])
  return `"${node.id}" [label=${label}${colour(node)}${node.unknown ? `, style="rounded,filled,dashed"` : ""}]`
}

/** The ids of the two ends can't be those of steps. */
const start = `"[start]"`
const end = `"[end]"`

export const renderDot = ({ direction, edges, entries, finals, nodes, title }: Graph): string => {
  const lines = [
    // The empty line keeps loops at the top from the title.
    `graph [label=${heading(title, [" "])}, labelloc=t, rankdir=${direction}, fontname="Helvetica"]`,
    `node [shape=box, style="rounded,filled", fillcolor="white", fontname="Helvetica"]`,
    `${start} [shape=circle, style=filled, fillcolor=black, label="", width=0.15]`,
    ...(finals.length === 0 ? [] : [`${end} [shape=doublecircle, fillcolor=black, label="", width=0.1]`]),
    ...nodes.map(declare),
    ...entries.map(({ id }) => `${start} -> "${id}"`),
    ...edges.map(([from, to]) => `"${from.id}" -> "${to.id}"`),
    ...finals.map(({ id }) => `"${id}" -> ${end}`)
  ]
  return `digraph {\n${lines.map((line) => `  ${line}\n`).join("")}}\n`
}
