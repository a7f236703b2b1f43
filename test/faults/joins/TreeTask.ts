/** Tasks that spawn others, down to the fourth level, and wait for them. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as NextStep from "../../../src/NextStep.ts"
import * as Step from "../../../src/Step.ts"
import * as Task from "../../../src/Task.ts"
import type { Node } from "./JoinPlan.ts"
import { type JoinNotes, noteJoined, noteValue, type Read } from "./JoinTables.ts"

/** `node` is its id in the plan; `spec` the node as JSON; `parent` the row of its parent, or nothing. */
const fields = { node: Schema.String, spec: Schema.String, parent: Schema.String }

class Grow extends Schema.TaggedClass<Grow>()("Grow", fields) {}
/** The same, in a transaction. */
class GrowBound extends Schema.TaggedClass<GrowBound>()("GrowBound", fields) {}
const starts = [Grow, GrowBound] as const

const ReadValue = Schema.Struct({
  node: Schema.String,
  tag: Schema.Literals(["Ended", "Parked", "Gone"]),
  value: Schema.String
})

/** What a task came to, and what it read of its children. */
const result = { node: Schema.String, value: Schema.String, read: Schema.Array(ReadValue) }

class Rest extends Schema.TaggedClass<Rest>()("Rest", result) {}
class Grown extends Schema.TaggedClass<Grown>()("Grown", result) {}

class Noise extends Schema.TaggedClass<Noise>()("Noise", { from: Schema.String }) {}

/** The plan's own failures. */
class Planned extends Data.TaggedError("Planned")<{ readonly message: string }> {}

/** Fails for good after a few tries, where a plan says so. */
const impatient = { retryLimit: 3, retryDelay: "20 millis" } as const

/** For steps whose transactions end with the connection, which counts as a try: again and again. */
const patient = { retryLimit: Infinity, retryDelay: "50 millis" } as const

/** A parent must find the results of its children however short they are to be kept. */
const keep = { child: "1 millis", root: "10 hours" } as const

const nodeIn = ({ spec }: { readonly spec: string }): Node => JSON.parse(spec) as Node

/** The state in which a node begins. */
export const beginning = (node: Node, parent = ""): Grow | GrowBound =>
  new (node.mode === "bound" ? GrowBound : Grow)({ node: node.id, spec: JSON.stringify(node), parent })

/** What a leaf comes to that notes nothing. */
export const freeValue = (node: string): string => `free ${node}`

/** What happens before a node spawns its children, or ends. */
const begin = (notes: JoinNotes, node: Node) =>
  Effect.gen(function*() {
    const { attempt, id } = yield* Step.Context
    yield* notes.grew(node.id, id, attempt)
    yield* Effect.sleep(node.delay)
    if (node.stubborn && !(yield* notes.isFixed)) yield* new Planned({ message: `planned failure ${attempt}` })
    if (!node.stubborn && attempt <= node.failures) yield* new Planned({ message: `planned failure ${attempt}` })
  })

/** Wakes the parent for nothing: perhaps while the last one of its children ends. */
const makeNoise = (node: Node, parent: string) =>
  Effect.gen(function*() {
    if (!node.noisy || parent === "") return
    const sql = yield* SqlClient.SqlClient
    yield* Effect.ignore(
      sql`select pg_task_signal(${parent}::uuid, 'Noise', ${JSON.stringify({ from: node.id })}::jsonb)`
    )
  })

/** The end of a node, with its value: noted in the transaction of the step or of its `commit`, or nowhere. */
const endOf = (node: Node, read: ReadonlyArray<Read>, bound: boolean) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const value = node.mode === "free" ? freeValue(node.id) : crypto.randomUUID()
    const noted = node.mode === "free" ? Effect.void : Effect.asVoid(noteValue(sql, node.id, value))
    if (bound) yield* noted
    return { end: { node: node.id, value, read }, commit: bound ? Effect.void : noted }
  })

// ---------------------------------------------------------------------------------------------------------------
// Leaves
// ---------------------------------------------------------------------------------------------------------------

export const Leaf = Task.declare("BesideLeaf", { states: starts, final: [Grown], entry: starts })

type Start = Grow | GrowBound

const bear = (notes: JoinNotes) => (state: Start) =>
  Effect.gen(function*() {
    const node = nodeIn(state)
    const bound = state._tag === "GrowBound"
    yield* begin(notes, node)
    if (!bound) yield* makeNoise(node, state.parent)
    if (node.gone) return NextStep.none
    const { commit, end } = yield* endOf(node, [], bound)
    return NextStep.now(new Grown(end), { commit })
  })

const makeLeaf = (notes: JoinNotes) =>
  Task.make(Leaf, [
    Step.make(Grow, { ...impatient, next: [Grown], handler: bear(notes) }),
    Step.make(GrowBound, { ...impatient, transactional: true, next: [Grown], handler: bear(notes) }),
    Step.final(Grown, { keep: keep.child })
  ])

// ---------------------------------------------------------------------------------------------------------------
// Parents
// ---------------------------------------------------------------------------------------------------------------

const grown = ({ node, read, value }: Rest) => NextStep.now(new Grown({ node, read, value }))

type Keep = "1 millis" | "10 hours"
type Child = ReturnType<typeof Leaf.child>
type Kid = { readonly _tag: "Ended"; readonly state: Grown } | { readonly _tag: "Parked"; readonly error: string } | {
  readonly _tag: "Gone"
}

const hour = "1 hour"

const readOf = (node: Node, kids: ReadonlyArray<Kid>): ReadonlyArray<Read> =>
  kids.map((kid, n) => ({
    node: node.children[n]!.id,
    tag: kid._tag,
    value: kid._tag === "Ended" ? `${kid.state.node} ${kid.state.value}` : kid._tag === "Parked" ? kid.error : ""
  }))

/** Parents of one level. All tasks of a tree begin and end alike, so the types of a leaf stand for those of its kind. */
const makeLevel = <const Name extends string>(name: Name, below: typeof Leaf, keeps: Keep) => {
  class Gather extends Schema.TaggedClass<Gather>()("Gather", { ...fields, kids: Schema.Array(Task.child(below)) }) {}
  class Settle extends Schema.TaggedClass<Settle>()("Settle", { ...fields, kids: Schema.Array(Task.child(below)) }) {}
  const declaration = Task.declare(name, {
    states: [...starts, Gather, Settle, Rest],
    entry: starts,
    signals: [Noise],
    final: [Grown]
  })

  const spawn = (notes: JoinNotes) => (state: Start) =>
    Effect.gen(function*() {
      const node = nodeIn(state)
      yield* begin(notes, node)
      const { id } = yield* Step.Context
      const kids: ReadonlyArray<Child> = node.children.map((child) => below.child(beginning(child, id)))
      const next = { node: node.id, spec: state.spec, parent: state.parent, kids }
      const waits = node.join === "settled" ? new Settle(next) : new Gather(next)
      return node.delay % 4 === 1 ? NextStep.delay(waits, "20 millis") : NextStep.now(waits)
    })

  /** In the transaction of its step, or in that of its `commit`: what it has read, and what it comes to. */
  const join = (event: "children" | "settled" | "timeout", state: Gather | Settle, kids: ReadonlyArray<Kid>) =>
    Effect.gen(function*() {
      const node = nodeIn(state)
      const sql = yield* SqlClient.SqlClient
      const { id } = yield* Step.Context
      const read = readOf(node, kids)
      const noted = noteJoined(sql, { node: node.id, id, event, results: read })
      const bound = event === "settled"
      if (bound) yield* noted
      else yield* makeNoise(node, state.parent)
      const { commit, end } = yield* endOf(node, read, bound)
      return NextStep.now(node.rests ? new Rest(end) : new Grown(end), {
        commit: bound ? commit : Effect.andThen(noted, commit)
      })
    })

  const make = (notes: JoinNotes) =>
    Task.make(declaration, [
      Step.make(Grow, { ...impatient, next: [Gather, Settle], handler: spawn(notes) }),
      Step.make(GrowBound, { ...impatient, transactional: true, next: [Gather, Settle], handler: spawn(notes) }),
      Step.wait(Gather, (on) => [
        on.children({
          ...patient,
          next: [Rest, Grown],
          handler: (state, { kids }) => join("children", state, kids.map((kid) => ({ _tag: "Ended", state: kid })))
        }),
        on.timeout((state) => nodeIn(state).join === "impatient" ? "700 millis" : hour, {
          ...patient,
          next: [Rest, Grown],
          handler: (state) => join("timeout", state, [])
        })
      ]),
      Step.wait(Settle, (on) => [
        on.settled({
          ...patient,
          transactional: true,
          next: [Rest, Grown],
          handler: (state, { kids }) => join("settled", state, kids)
        })
      ]),
      Step.wait(Rest, (on) => [
        on(Noise, { next: [Grown], handler: (state) => Effect.succeed(grown(state)) }),
        on.timeout("100 millis", { next: [Grown], handler: (state) => Effect.succeed(grown(state)) })
      ]),
      Step.final(Grown, { keep: keeps })
    ])
  return { declaration, make }
}

const likeLeaf = ({ declaration }: { readonly declaration: unknown }) => declaration as typeof Leaf

const Twig = makeLevel("BesideTwig", Leaf, keep.child)
const Branch = makeLevel("BesideBranch", likeLeaf(Twig), keep.child)
const Tree = makeLevel("BesideTree", likeLeaf(Branch), keep.root)

/** The root of a tree. */
export const Root = Tree.declaration

/** The tasks of a tree, from the leaves to the root. */
export const makeTree = (notes: JoinNotes) =>
  [makeLeaf(notes), Twig.make(notes), Branch.make(notes), Tree.make(notes)] as const
