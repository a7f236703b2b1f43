import { assert, it } from "@effect/vitest"
import { layOutMachine } from "../../src/dashboard/graph/drawing.ts"
import type * as Diagram from "../../src/Diagram.ts"

/** Numbers that look random, and are the same each time. */
const random = (seed: number) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 2 ** 32
}

const machine = (size: number, next: () => number): Diagram.Graph => {
  const tags = Array.from({ length: size }, (_, index) => `State${index}${"x".repeat(Math.floor(next() * 30))}`)
  const edges = tags.flatMap((from, index) => [
    ...(index + 1 < size ? [{ from, to: tags[index + 1]! }] : []),
    ...(next() < 0.6 ? [{ from, to: tags[Math.floor(next() * size)]!, label: `Signal${index}` }] : []),
    ...(next() < 0.2 ? [{ from, to: from }] : [])
  ])
  const unique = edges.filter(({ from, to }, at) => edges.findIndex((one) => one.from === from && one.to === to) === at)
  return {
    task: "Machine",
    nodes: tags.map((tag, index) => ({
      tag,
      notes: [],
      waits: false,
      children: [],
      begins: index === 0 || next() < 0.1,
      ends: index === size - 1 ? "always" : "maybe",
      unknown: false
    })),
    edges: unique,
    ends: [{ from: tags[size - 1]! }, ...(size > 4 ? [{ from: tags[1]!, label: "Rejected, after 3d" }] : [])]
  }
}

interface Area {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

const overlap = (a: Area, b: Area): boolean =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom

it("lays out machines of 2 to 60 states without overlaps", () => {
  const next = random(7)
  for (const index of Array.from({ length: 20 }).keys()) {
    const graph = machine(2 + Math.round((index * 58) / 19), next)
    const layout = layOutMachine(graph)
    const boxes = layout.sizes.map(({ height, id, width }): Area => {
      const { x, y } = layout.boxes.get(id)!
      return { left: x - width / 2, right: x + width / 2, top: y - height / 2, bottom: y + height / 2 }
    })
    const labels = layout.arrows.flatMap(({ label }): ReadonlyArray<Area> =>
      label === undefined ? [] : [{ left: label.x - 20, right: label.x + 20, top: label.y - 7, bottom: label.y + 7 }]
    )
    for (const [at, one] of boxes.entries()) {
      assert.isTrue(one.left >= 0 && one.right <= layout.width && one.top >= 0 && one.bottom <= layout.height)
      for (const other of boxes.slice(at + 1)) assert.isFalse(overlap(one, other), `${graph.nodes.length} states`)
      for (const label of labels) assert.isFalse(overlap(one, label), `a label of ${graph.nodes.length} states`)
    }
  }
})
