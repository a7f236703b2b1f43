/** What tasks that wait do in a round: conversations by signals, and trees of children, drawn at random. */
import * as Schema from "effect/Schema"
import type { Random } from "../Random.ts"

/** Which signal is sent. Each kind is handled in another way: see `TalkTask.ts`. */
const Kind = Schema.Literals(["Ping", "Pong", "Bell", "Late"])

/** How it is sent. */
const Way = Schema.Literals([
  /** In a transaction together with a note of it. */
  "together",
  /** The same, by SQL. */
  "sql",
  /** Alone, with a key by which a second one changes nothing. */
  "dedupe",
  /** The same, twice. */
  "twice"
])

export const Signal = Schema.Struct({
  /** No other one of the round has it. */
  n: Schema.Number,
  kind: Kind,
  way: Way,
  /** This many milliseconds after the one before. */
  after: Schema.Number,
  /** How many characters it has. */
  size: Schema.Number
})
export type Signal = typeof Signal.Type

export const Talk = Schema.Struct({
  /** Is its key, too. */
  id: Schema.String,
  /** How many of the first three kinds it takes, and then how many late ones. */
  wants: Schema.Number,
  late: Schema.Number,
  /** How long it waits for each, in milliseconds. */
  patience: Schema.Number,
  /** How often each of its handlers fails. */
  failures: Schema.Number,
  /** How long it is busy between the two, in milliseconds. */
  busy: Schema.Number,
  /** Sent by a step of its own, in the step's transaction, to other conversations. */
  tells: Schema.Array(Schema.Struct({ to: Schema.String, n: Schema.Number, kind: Kind })),
  /** Sent by a producer. */
  signals: Schema.Array(Signal)
})
export type Talk = typeof Talk.Type

/** A task of a tree. */
export interface Node {
  readonly id: string
  /** Whether it waits until its children have ended, or are settled, or for a short time only. */
  readonly join: "children" | "settled" | "impatient"
  /** Where its effects are: in the transaction of its step, in that of its `commit`, or nowhere. */
  readonly mode: "bound" | "commit" | "free"
  readonly failures: number
  /** Fails until the world is fixed: it parks until then. */
  readonly stubborn: boolean
  /** Ends without a result. */
  readonly gone: boolean
  /** Sends its parent a signal that it does not wait for, just before it ends. */
  readonly noisy: boolean
  /** Before it spawns its children, or ends: in milliseconds. */
  readonly delay: number
  /** Waits for such a signal when its children have ended. */
  readonly rests: boolean
  readonly children: ReadonlyArray<Node>
}

/** Everything of a round. */
export interface JoinPlan {
  readonly talks: ReadonlyArray<Talk>
  readonly trees: ReadonlyArray<Node>
}

const hour = 3_600_000

/** Nobody waits for long where signals may not come. */
const patienceOf = { all: hour, some: 1500 }

const ways = { together: 4, sql: 2, dedupe: 3, twice: 2 } as const

/** More than fit into an inbox, sent before anybody takes them. */
const bigSignals = (draw: () => number): ReadonlyArray<Signal> =>
  Array.from({ length: 4 }, () => ({ n: draw(), kind: "Late", way: "together", after: 0, size: 350_000 }))

const smallSignals = (random: Random, count: number, kinds: ReadonlyArray<Signal["kind"]>, draw: () => number) =>
  Array.from({ length: count }, (): Signal => ({
    n: draw(),
    kind: random.pick(kinds),
    way: random.weighted(ways),
    after: random.chance(0.5) ? 0 : random.int(0, 400),
    size: 10
  }))

const shuffled = <A>(random: Random, items: ReadonlyArray<A>): ReadonlyArray<A> =>
  items.map((item) => [random.next(), item] as const).toSorted(([a], [b]) => a - b).map(([, item]) => item)

const early = ["Ping", "Pong", "Bell"] as const

const talkOf = (random: Random, id: string, draw: () => number): Talk => {
  const shape = random.weighted({ all: 8, some: 2, big: 1 })
  const wants = random.int(1, 6)
  const late = shape === "big" ? 2 : random.int(0, 3)
  const sent = shape === "some" ? random.int(0, wants - 1) : wants + random.int(0, 2)
  const latest = shape === "big" ? bigSignals(draw) : smallSignals(random, late + random.int(0, 1), ["Late"], draw)
  return {
    id,
    wants,
    late,
    patience: patienceOf[shape === "some" ? "some" : "all"],
    failures: random.chance(0.2) ? random.int(1, 2) : 0,
    busy: random.chance(0.5) ? 0 : random.int(0, 300),
    tells: [],
    signals: shuffled(random, [...smallSignals(random, sent, early, draw), ...latest])
  }
}

/** Each tells the others of its group, perhaps at the same time as they tell it. */
const withTells = (random: Random, talks: ReadonlyArray<Talk>, draw: () => number): ReadonlyArray<Talk> =>
  talks.map((talk, n) => {
    const group = talks.slice(n - (n % 3), n - (n % 3) + 3).filter(({ id }) => id !== talk.id)
    const told = random.chance(0.6) ? group : []
    return { ...talk, tells: told.map(({ id }) => ({ to: id, n: draw(), kind: "Late" as const })) }
  })

/** The highest level of a tree: its root. Leaves are at level 0. */
const top = 3

const nodeOf = (random: Random, id: string, level: number, parent: Node["join"]): Node => {
  const join = random.weighted({ children: 5, settled: 4, impatient: 1 })
  const width = random.weighted({ none: 1, few: 6, many: 1 })
  const count = level === 0 || width === "none" ? 0 : width === "few" ? random.int(1, 3) : random.int(4, 10)
  const mode = random.pick(["bound", "commit", "free"] as const)
  return {
    id,
    join,
    // What inner ones do is always noted.
    mode: level > 0 && mode === "free" ? "commit" : mode,
    failures: random.chance(0.1) ? random.int(1, 2) : 0,
    stubborn: random.chance(0.04),
    gone: level === 0 && parent === "settled" && random.chance(0.2),
    noisy: random.chance(0.6),
    delay: random.chance(0.5) ? 0 : random.int(0, 2500),
    rests: random.chance(0.2),
    children: Array.from({ length: count }, (_, n) => {
      // Those that end in "x" may be deleted by hand.
      const name = `${id}.${n}${level === 1 && join === "settled" ? "x" : ""}`
      return nodeOf(random, name, level - 1, join)
    })
  }
}

export const makeJoinPlan = (random: Random, count: { readonly talks: number; readonly trees: number }): JoinPlan => {
  let drawn = 0
  const draw = () => ++drawn
  const talks = Array.from({ length: count.talks }, (_, n) => talkOf(random, `talk ${n}`, draw))
  return {
    talks: withTells(random, talks, draw),
    trees: Array.from({ length: count.trees }, (_, n) => nodeOf(random, `tree ${n}`, top, "children"))
  }
}

/** A node, and all below it. */
export const allOf = (node: Node): ReadonlyArray<Node> => [node, ...node.children.flatMap(allOf)]
