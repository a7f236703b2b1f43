/**
 * A task's state machine as a picture: its steps, the states they may move to, where tasks begin and end, and how steps
 * are retried. With counts, it also shows where tasks are now and where they are stuck.
 *
 * @since 0.1.0
 */
import * as Array from "effect/Array"
import type * as Duration from "effect/Duration"
import { renderDot, renderDots } from "./internal/diagram/dot.ts"
import { makeGraph } from "./internal/diagram/graph.ts"
import { renderMermaid } from "./internal/diagram/mermaid.ts"
import { definitionOf } from "./internal/definition/task.ts"
import type * as Task from "./Task.ts"

/**
 * How many tasks are in one state with one status: what `Admin.counts` returns.
 *
 * @category models
 * @since 0.1.0
 */
export interface Count {
  /** The task's name. */
  readonly task: string | null
  /** The `_tag` of the state. */
  readonly step: string | null
  /**
   * `ready`: due and not yet begun. `limited`: due, and waits for a slot of its limit. `scheduled`: due later. `waiting`: for a signal or its timeout. `running`. `parked`: stopped with an error. `ended`: done,
   * and kept as a result.
   */
  readonly status: "ready" | "limited" | "scheduled" | "waiting" | "running" | "parked" | "ended"
  /** How many there are. */
  readonly count: number
  /** For how long the oldest of them has had this status. Default: the picture doesn't say. */
  readonly oldest?: Duration.Duration | undefined
}

/**
 * Options of {@link toMermaid} and {@link toGraphViz}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** From top to bottom (the default), or from left to right. */
  readonly direction?: "TB" | "LR" | undefined
  /**
   * How many tasks there are, written into each step. A step gets the colour of its worst status (parked: red; ready:
   * yellow; running: green; scheduled: blue; ended: grey). States that no step has are drawn dashed: nothing runs these rows. Counts
   * of other tasks are left out. Default: no counts.
   */
  readonly counts?: Iterable<Count> | undefined
}

/**
 * The limit of a state in a {@link Graph}: see `Limit.make`.
 *
 * @category models
 * @since 0.1.0
 */
export interface GraphLimit {
  readonly name: string
  /** How many tasks may be at work at the same time; of each key, if it is `keyed`. Undefined: the state decides, or a rate. */
  readonly running: number | undefined
  /** How many attempts may start in how long; of each key, if it is `keyed`. Undefined: any number. */
  readonly rate: { readonly limit: number; readonly per: Duration.Duration } | undefined
  /** Each key of the state has the limit for itself. */
  readonly keyed: boolean
}

/**
 * A state in a {@link Graph}.
 *
 * @category models
 * @since 0.1.0
 */
export interface GraphNode {
  /** The `_tag` of the state. */
  readonly tag: string
  /** What is declared about its step, a line each: `5 retries, 1s apart`. */
  readonly notes: ReadonlyArray<string>
  /** The state waits: for signals, for a time, or for children. */
  readonly waits: boolean
  /** The names of the tasks whose children it holds. */
  readonly children: ReadonlyArray<string>
  /** Tasks wait for a slot before they begin here. Undefined if the state has no limit. */
  readonly limit?: GraphLimit | undefined
  /** Tasks begin here: see {@link toMermaid}. */
  readonly begins: boolean
  /** `always`: its step has no `next`. Any other step may end the task, too: `maybe`. */
  readonly ends: "always" | "maybe"
  /** Rows of the task have this state, but no step of it: nothing runs them. Only if counts were given. */
  readonly unknown: boolean
}

/**
 * A move from one state to another in a {@link Graph}.
 *
 * @category models
 * @since 0.1.0
 */
export interface GraphEdge {
  /** The `_tag` of a state. */
  readonly from: string
  /** The `_tag` of a state. */
  readonly to: string
  /**
   * What makes the task move, if the state waits: the tags of signals, `after 3d` (or `timeout` where the state says
   * when), `children ended` or `children settled`.
   */
  readonly label?: string | undefined
}

/**
 * A move that ends the task in a {@link Graph}: of a step without `next`, of a final state, or of a handler without
 * `next` for something that a state waits for.
 *
 * @category models
 * @since 0.1.0
 */
export interface GraphEnd {
  /** The `_tag` of a state. */
  readonly from: string
  /** What ends the task, if the state waits: as in {@link GraphEdge}. */
  readonly label?: string | undefined
}

/**
 * A state machine as data: for pictures of your own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Graph {
  /** The task's name. */
  readonly task: string
  readonly nodes: ReadonlyArray<GraphNode>
  readonly edges: ReadonlyArray<GraphEdge>
  readonly ends: ReadonlyArray<GraphEnd>
}

/**
 * The state machine as data: its states in the order of the task's steps, then those that only rows have, and the moves
 * between them.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Diagram, NextStep, Step, Task } from "effect-pg-task"
 *
 * class Ping extends Schema.TaggedClass<Ping>()("Ping", {}) {}
 *
 * const Pinger = Task.make("Pinger", [
 *   Step.make(Ping, { next: [Ping], handler: () => Effect.succeed(NextStep.delay(new Ping(), "1 minute")) })
 * ])
 *
 * // [{ from: "Ping", to: "Ping", label: undefined }]
 * console.log(Diagram.toGraph(Pinger).edges)
 * ```
 * @category drawing
 * @since 0.1.0
 */
export const toGraph = (task: Task.Any, options: Pick<Options, "counts"> = {}): Graph => {
  const { edges, ends, entries, finals, nodes } = makeGraph(definitionOf(task), options)
  return {
    task: task.name,
    nodes: nodes.map((node) => ({
      tag: node.tag,
      notes: node.notes,
      waits: node.waits,
      children: node.children,
      limit: node.limit,
      begins: entries.includes(node),
      ends: finals.includes(node) ? "always" : "maybe",
      unknown: node.unknown
    })),
    edges: edges.map(({ from, label, to }) => ({ from: from.tag, to: to.tag, label })),
    ends: ends.map(({ from, label }) => ({ from: from.tag, label }))
  }
}

/**
 * The state machine as a Mermaid state diagram, which GitHub, GitLab, Notion and many more show as a picture.
 *
 * Where tasks begin: at the states of their `entry`; without an `entry`, at the steps that no other step moves to,
 * although they may begin at any step. Where tasks end: after the steps without `next`, and in final states. Any other step may return
 * `NextStep.none`, too, which nothing declares: its arrow says `may end`.
 *
 * The arrows from a waiting state say what makes the task move: a signal, a timeout, or its children. A waiting state
 * has a dotted border and the note `waits`; a state that holds children has a note with the names of their tasks.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Diagram, NextStep, Step, Task } from "effect-pg-task"
 *
 * class ReadName extends Schema.TaggedClass<ReadName>()("ReadName", {}) {}
 * class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}
 *
 * const readName = Step.make(ReadName, {
 *   next: [SayHello],
 *   retryLimit: 5,
 *   handler: () => Effect.succeed(NextStep.now(new SayHello({ name: "Fedor" })))
 * })
 * const sayHello = Step.make(SayHello, { handler: () => Effect.succeed(NextStep.none) })
 *
 * console.log(Diagram.toMermaid(Task.make("Greeter", [readName, sayHello])))
 * // ---
 * // title: "Greeter"
 * // ---
 * // stateDiagram-v2
 * //   direction TB
 * //   [*] --> ReadName
 * //   ReadName --> SayHello
 * //   SayHello --> [*]
 * //   ReadName --> [*] : may end
 * //   note right of ReadName
 * //     5 retries, 1s apart
 * //   end note
 * ```
 * @category drawing
 * @since 0.1.0
 */
export const toMermaid = (task: Task.Any, options: Options = {}): string =>
  renderMermaid(makeGraph(definitionOf(task), options))

/**
 * The same in Graphviz's language: `dot -Tsvg` makes a picture of it. An arrow for `may end` is dashed here. Several
 * tasks are drawn in one picture, each in a box of its own; a dotted arrow goes from a state that holds children to the
 * box of their task.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Admin, Diagram, NextStep, Step, Task } from "effect-pg-task"
 *
 * class Ping extends Schema.TaggedClass<Ping>()("Ping", {}) {}
 *
 * const Pinger = Task.make("Pinger", [
 *   Step.make(Ping, { next: [Ping], handler: () => Effect.succeed(NextStep.delay(new Ping(), "1 minute")) })
 * ])
 *
 * console.log(Diagram.toGraphViz(Pinger, { direction: "LR" }))
 *
 * // where the tasks are, and where they are stuck
 * export const live = Effect.map(Admin.counts({ task: "Pinger" }), (counts) => Diagram.toGraphViz(Pinger, { counts }))
 * ```
 * @category drawing
 * @since 0.1.0
 */
export const toGraphViz = (task: Task.Any | ReadonlyArray<Task.Any>, options: Options = {}): string => {
  const graphs = Array.ensure(task).map((task) => makeGraph(definitionOf(task), options))
  return graphs.length === 1 ? renderDot(graphs[0]!) : renderDots(graphs)
}
