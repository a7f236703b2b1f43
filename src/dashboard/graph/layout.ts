/** Where the states and the moves of a machine are drawn. */
import { graphlib, layout as arrange } from "@dagrejs/dagre"

/** A box with its size. */
export interface Box {
  readonly id: string
  readonly width: number
  readonly height: number
}

/** An arrow between two boxes, with the size of its label. */
export interface Arrow {
  readonly from: string
  readonly to: string
  readonly width: number
  readonly height: number
}

export interface Point {
  readonly x: number
  readonly y: number
}

/** Where the text of an arrow is, and the room that it has. */
interface Label extends Point {
  readonly width: number
  readonly height: number
}

/** `x` and `y` are the middle of a box, or of an arrow's label. */
export interface Layout {
  readonly width: number
  readonly height: number
  readonly sizes: ReadonlyArray<Box>
  readonly boxes: ReadonlyMap<string, Point>
  readonly arrows: ReadonlyArray<{ readonly points: ReadonlyArray<Point>; readonly label: Label | undefined }>
}

const settings = { rankdir: "TB", nodesep: 34, edgesep: 16, ranksep: 44, marginx: 8, marginy: 8 }

/** Lays out boxes from top to bottom, so that no two of them overlap. */
export const layOut = (boxes: ReadonlyArray<Box>, arrows: ReadonlyArray<Arrow>): Layout => {
  const graph = new graphlib.Graph({ multigraph: true })
  graph.setGraph(settings)
  graph.setDefaultEdgeLabel(() => ({}))
  for (const { height, id, width } of boxes) graph.setNode(id, { width, height })
  for (const [index, { from, height, to, width }] of arrows.entries()) {
    graph.setEdge(from, to, { width, height, labelpos: "c" }, String(index))
  }
  arrange(graph)
  const { height = 0, width = 0 } = graph.graph() as { readonly width?: number; readonly height?: number }
  return {
    width,
    height,
    sizes: boxes,
    boxes: new Map(boxes.map(({ id }) => [id, pointOf(graph.node(id) as Point)])),
    arrows: arrows.map(({ from, height, to, width }, index) => {
      const edge = graph.edge(from, to, String(index)) as Partial<Point> & { readonly points: ReadonlyArray<Point> }
      return {
        points: edge.points.map(pointOf),
        label: width > 0 ? { ...pointOf(edge as Point), width, height } : undefined
      }
    })
  }
}

const round = (value: number) => Math.round(value * 10) / 10
const pointOf = ({ x, y }: Point): Point => ({ x: round(x), y: round(y) })
