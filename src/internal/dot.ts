/** A graph in Graphviz's words. */
import { colours, type Graph, type Node } from "./graph.ts"

/** A quoted string, in which Graphviz reads backslashes and HTML's entities. */
const quote = (lines: ReadonlyArray<string>): string =>
  `"${lines.map((line) => line.replaceAll("&", "&amp;").replace(/["\\]/g, "\\$&")).join("\\n")}"`

const colour = ({ mood }: Node): string =>
  mood === undefined ? "" : `, fillcolor="${colours[mood].fill}", color="${colours[mood].stroke}"`

const declare = (node: Node): string => {
  const label = [node.label, ...node.notes, ...(node.counts ?? [])]
  return `"${node.id}" [label=${quote(label)}${colour(node)}${node.unknown ? `, style="rounded,filled,dashed"` : ""}]`
}

/** The ids of the two ends can't be those of steps. */
const start = `"[start]"`
const end = `"[end]"`

export const renderDot = ({ direction, edges, entries, finals, nodes, title }: Graph): string => {
  const lines = [
    `graph [label=${quote([title])}, labelloc=t, rankdir=${direction}, fontname="Helvetica"]`,
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
