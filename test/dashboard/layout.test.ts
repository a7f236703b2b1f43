import { assert, it } from "@effect/vitest"
import { draw, layOutMachine } from "../../src/dashboard/graph/drawing.ts"
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

const areaOf = (
  { x, y }: { readonly x: number; readonly y: number },
  { height, width }: { readonly width: number; readonly height: number }
): Area => ({ left: x - width / 2, right: x + width / 2, top: y - height / 2, bottom: y + height / 2 })

const overlap = (a: Area, b: Area): boolean =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom

/** The areas that overlap, by their places. */
const overlapping = (areas: ReadonlyArray<Area>): ReadonlyArray<string> =>
  areas.flatMap((one, at) =>
    areas.slice(at + 1).flatMap((other, next) => overlap(one, other) ? [`${at} and ${at + 1 + next}`] : [])
  )

type Spot = readonly [x: number, y: number]

const between = (a: Spot, b: Spot, share: number): Spot => [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share]

const shares = Array.from({ length: 17 }, (_, index) => index / 16)

/** Points along a path of straight and of bent lines. */
const alongPath = (path: string): ReadonlyArray<Spot> => {
  const spots: Array<Spot> = []
  let at: Spot = [0, 0]
  for (const [, command, text] of path.matchAll(/([MLQ])([^MLQ]*)/g)) {
    const [x1, y1, x2, y2] = text!.trim().split(/\s+/).map(Number) as [number, number, number, number]
    const [middle, end]: [Spot, Spot] = command === "Q" ? [[x1, y1], [x2, y2]] : [between(at, [x1, y1], 0.5), [x1, y1]]
    if (command !== "M") {
      const start = at
      spots.push(...shares.map((share) => between(between(start, middle, share), between(middle, end, share), share)))
    }
    at = end
  }
  return spots
}

/** Arrows begin and end at the border of a box: a little of it doesn't count. */
const inside = ([x, y]: Spot, { bottom, left, right, top }: Area): boolean =>
  x > left + 2 && x < right - 2 && y > top + 2 && y < bottom - 2

it("lays out machines of 2 to 60 states without overlaps", () => {
  const next = random(7)
  for (const index of Array.from({ length: 20 }).keys()) {
    const graph = machine(2 + Math.round((index * 58) / 19), next)
    const layout = layOutMachine(graph)
    const boxes = layout.sizes.map((box) => areaOf(layout.boxes.get(box.id)!, box))
    const labels = layout.arrows.flatMap(({ label }) => label === undefined ? [] : [areaOf(label, label)])
    const name = `${graph.nodes.length} states`
    assert.deepStrictEqual(overlapping([...boxes, ...labels]), [], name)
    for (const { bottom, left, right, top } of [...boxes, ...labels]) {
      assert.isTrue(left >= 0 && right <= layout.width && top >= 0 && bottom <= layout.height, name)
    }
    // An arrow goes through no state.
    const drawn = draw(graph, layout, "0", () => ({ key: "", mood: "", summary: "" })).text
    const paths = [...drawn.matchAll(/class="edge" d="([^"]+)"/g)].map(([, path]) => path!)
    assert.strictEqual(paths.length, layout.arrows.length)
    for (const path of paths.filter((path) => !path.includes("C"))) {
      const hit = alongPath(path).find((spot) => boxes.some((box) => inside(spot, box)))
      assert.isUndefined(hit, `${name}: ${path}`)
    }
  }
})
