/** A graph in Graphviz's language. */
import { colours, type Edge, type Graph, type Node, visible } from "./graph.ts"

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\\": "\\\\" }

/** Escapes text for a label in HTML. Graphviz reads backslashes there, too. */
const escape = (text: string): string => text.replace(/[&<>\\]/g, (char) => entities[char]!)

/** A bold title with small lines under it. Graphviz refuses empty tags. */
const heading = (text: string, lines: ReadonlyArray<string>): string => {
  const head = `<b>${escape(text) || " "}</b>`
  return lines.length === 0
    ? `<${head}>`
    : `<${head}<br/><font point-size="11">${lines.map(escape).join("<br/>")}</font>>`
}

const colour = ({ mood }: Node): string =>
  mood === undefined ? "" : `, fillcolor="${colours[mood].fill}", color="${colours[mood].stroke}"`

/** The ids of one task's nodes, each in quotes. With several tasks in a picture, all need a name of their own. */
type Id = (id: string) => string

const declare = (node: Node, id: Id): string => {
  const label = heading(node.label, [...node.notes, ...(node.counts ?? [])])
  return `${id(node.id)} [label=${label}${colour(node)}${border(node)}]`
}

const border = ({ unknown, waits }: Node): string => {
  if (unknown) return `, style="rounded,filled,dashed"`
  return waits ? `, style="rounded,filled,dotted"` : ""
}

const labelled = (label: Edge["label"]): string =>
  label === undefined ? "" : ` [label=<${escape(visible(label)) || " "}>, fontsize=11]`

/** No step can have the ids of the two ends. */
const start = "[start]"
const end = "[end]"

const drawNodes = ({ edges, ends, entries, exits, nodes }: Graph, id: Id): ReadonlyArray<string> => [
  `${id(start)} [shape=circle, style=filled, fillcolor=black, label="", width=0.15]`,
  `${id(end)} [shape=doublecircle, fillcolor=black, label="", width=0.1]`,
  ...nodes.map((node) => declare(node, id)),
  ...entries.map((entry) => `${id(start)} -> ${id(entry.id)}`),
  ...edges.map(({ from, label, to }) => `${id(from.id)} -> ${id(to.id)}${labelled(label)}`),
  ...ends.map(({ from, label }) => `${id(from.id)} -> ${id(end)}${labelled(label)}`),
  ...exits.map((exit) => `${id(exit.id)} -> ${id(end)} [style=dashed, color="#8c959f", arrowsize=0.7]`)
]

const nodeStyle = `node [shape=box, style="rounded,filled", fillcolor="white", fontname="Helvetica"]`

// The empty line keeps loops at the top away from the title.
const titleOf = ({ title }: Graph) => `label=${heading(title, [" "])}, labelloc=t`

const indent = (lines: ReadonlyArray<string>): ReadonlyArray<string> => lines.map((line) => `  ${line}`)

const digraph = (lines: ReadonlyArray<string>): string => `digraph {\n${indent(lines).join("\n")}\n}\n`

export const renderDot = (graph: Graph): string =>
  digraph([
    `graph [${titleOf(graph)}, rankdir=${graph.direction}, fontname="Helvetica"]`,
    nodeStyle,
    ...drawNodes(graph, (id) => `"${id}"`)
  ])

type ClusterId = (task: number, id: string) => string

/** From each state that holds children to where these begin, if their task is in the picture, too. */
const drawChildren = (graphs: ReadonlyArray<Graph>, id: ClusterId): ReadonlyArray<string> =>
  graphs.flatMap(({ nodes }, parent) =>
    nodes.flatMap((node) =>
      node.children.map((name) => graphs.findIndex((graph) => graph.name === name)).filter((child) => child >= 0)
        .map((child) => `${id(parent, node.id)} -> ${id(child, start)} [style=dotted, arrowsize=0.7]`)
    )
  )

/** Several tasks in one picture, each in a box: Graphviz would make one file for each `digraph`. */
export const renderDots = (graphs: ReadonlyArray<Graph>): string => {
  const idIn: ClusterId = (task, id) => `"${task}.${id}"`
  return digraph([
    `graph [rankdir=${graphs[0]?.direction ?? "TB"}, fontname="Helvetica"]`,
    nodeStyle,
    ...graphs.flatMap((graph, index) => [
      `subgraph "cluster_${index}" {`,
      ...indent([
        `graph [${titleOf(graph)}, style=rounded, color="#57606a"]`,
        ...drawNodes(graph, (id) => idIn(index, id))
      ]),
      "}"
    ]),
    ...drawChildren(graphs, idIn)
  ])
}
