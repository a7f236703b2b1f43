/** A machine as SVG: its states are links, whose numbers are live. */
import type * as Diagram from "../../Diagram.ts"
import { address, cut, type Html, html, visible } from "../html.ts"
import { type Layout, layOut, type Point } from "./layout.ts"

/** What is written into a state. */
export interface Mark {
  readonly key: string
  readonly mood: string
  readonly summary: string
}

const start = "start:"
const end = "end:"
const idOf = (tag: string) => `state:${tag}`

const nodeHeight = 48
const dot = 7
const loopWidth = 34

/** Wide characters take twice the room. */
const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\p{Emoji_Presentation}]/u

const widthOf = (text: string, narrow: number): number =>
  Array.from(text).reduce((sum, char) => sum + (wide.test(char) ? narrow * 1.9 : narrow), 0)

const nameOf = (tag: string) => cut(visible(tag), 34)

const nodeWidth = (tag: string) => Math.max(140, widthOf(nameOf(tag), 8.6) + 24)

/** Lays out a machine. Its numbers don't matter: a drawing keeps its shape when they change. */
export const layOutMachine = (graph: Diagram.Graph): Layout => {
  return layOut(
    [
      { id: start, width: dot * 2, height: dot * 2 },
      ...graph.nodes.map(({ tag }) => ({ id: idOf(tag), width: nodeWidth(tag), height: nodeHeight })),
      ...(graph.ends.length > 0 ? [{ id: end, width: dot * 2, height: dot * 2 }] : [])
    ],
    arrowsOf(graph).map(({ from, label, to }) => ({
      from,
      to,
      width: (label === undefined ? 0 : widthOf(label, 6.8) + 8) + (from === to ? loopWidth : 0),
      height: label === undefined ? 0 : 18
    }))
  )
}

interface LabelledArrow {
  readonly from: string
  readonly to: string
  readonly label: string | undefined
}

const labelOf = (label: string | undefined) => label === undefined ? undefined : cut(visible(label), 40)

const arrowsOf = ({ edges, ends, nodes }: Diagram.Graph): ReadonlyArray<LabelledArrow> => [
  ...nodes.filter(({ begins }) => begins).map(({ tag }) => ({ from: start, to: idOf(tag), label: undefined })),
  ...edges.map(({ from, label, to }) => ({ from: idOf(from), to: idOf(to), label: labelOf(label) })),
  ...ends.map(({ from, label }) => ({ from: idOf(from), to: end, label: labelOf(label) }))
]

/** A line through the points, bent softly. Its last piece is straight: the tip points where it goes. */
const curve = (points: ReadonlyArray<Point>): string => {
  const [first, ...rest] = points
  const last = rest.pop()
  if (first === undefined || last === undefined) return ""
  const bends = rest.map((point, index) => {
    const next = rest[index + 1] ?? last
    return `Q${point.x} ${point.y} ${(point.x + next.x) / 2} ${(point.y + next.y) / 2}`
  })
  return `M${first.x} ${first.y}${bends.join("")}L${last.x} ${last.y}`
}

/** From a state to itself, at its right side. */
const loop = (tag: string, { x, y }: Point): string => {
  const right = x + nodeWidth(tag) / 2
  return `M${right} ${y - 9}C${right + loopWidth} ${y - 20} ${right + loopWidth} ${y + 20} ${right} ${y + 9}`
}

const drawArrow = (layout: Layout, tip: string) => ({ from, label, to }: LabelledArrow, index: number): Html => {
  const { label: at, points } = layout.arrows[index]!
  const line = from === to ? loop(from.slice(idOf("").length), layout.boxes.get(from)!) : curve(points)
  return html`<path class="edge" d="${line}" marker-end="url(#${tip})"/>${
    at === undefined || label === undefined
      ? ""
      : html`<text class="edge-label" x="${at.x}" y="${at.y + 4}">${label}</text>`
  }`
}

const drawNode = (task: string, node: Diagram.GraphNode, { x, y }: Point, { key, mood, summary }: Mark): Html => {
  const width = nodeWidth(node.tag)
  const kind = `node${node.ends === "always" ? " final" : ""}${node.waits ? " waits" : ""}${
    node.limit === undefined ? "" : " limits"
  }${node.unknown ? " unknown" : ""}`
  return html`<a class="${kind}" href="${
    address("rows", { task, state: node.tag })
  }" data-moodof="${key}" data-mood="${mood}">
<title>${[node.tag, ...node.notes].join("\n")}</title>
<rect x="${x - width / 2}" y="${y - nodeHeight / 2}" width="${width}" height="${nodeHeight}" rx="9"/>
${node.limit && html`<path class="gate" d="M${x - width / 2 + 5} ${y - 14}v28m4 -28v28"/>`}
<text class="name" x="${x}" y="${y - 3}">${nameOf(node.tag)}</text>
<text class="sum" x="${x}" y="${y + 15}" data-live="${key}">${summary}</text></a>`
}

/** Wider ones are not made narrower for small screens: nobody could read them. */
const widestToFit = 520

/** Draws a machine. `name` tells apart the drawings of one page. */
export const draw = (graph: Diagram.Graph, layout: Layout, name: string, markOf: (tag: string) => Mark): Html => {
  const tip = `tip-${name}`
  const from = layout.boxes.get(start)
  const to = layout.boxes.get(end)
  return html`<svg${
    layout.width <= widestToFit ? html` class="fits"` : ""
  } role="group" aria-label="${graph.task}: its states" width="${Math.ceil(layout.width)}" height="${
    Math.ceil(layout.height)
  }" viewBox="0 0 ${layout.width} ${layout.height}">
<defs><marker id="${tip}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>
${arrowsOf(graph).map(drawArrow(layout, tip))}
${from && html`<circle class="dot" cx="${from.x}" cy="${from.y}" r="${dot}"/>`}
${
    to &&
    html`<circle class="ring" cx="${to.x}" cy="${to.y}" r="${dot}"/><circle class="dot" cx="${to.x}" cy="${to.y}" r="${
      dot - 3
    }"/>`
  }
${graph.nodes.map((node) => drawNode(graph.task, node, layout.boxes.get(idOf(node.tag))!, markOf(node.tag)))}
</svg>`
}
