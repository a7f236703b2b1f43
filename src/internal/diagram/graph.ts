/** A task's state machine as a graph, with the texts that all notations share. */
import * as Duration from "effect/Duration"
import { childTasksIn } from "../definition/child.ts"
import { makeReach } from "../definition/reach.ts"
import type { LimitDefinition } from "../definition/limit.ts"
import type { StepDefinition, TransitionDefinition } from "../definition/step.ts"
import { durationText } from "../definition/durationText.ts"
import type { TaskDefinition } from "../definition/task.ts"
import type { Status } from "../sql/row.ts"
import { branchName, endLabelOf, labelOf } from "./labels.ts"

/** How many tasks are in one state with one status: `Diagram.Count`. */
interface Count {
  readonly task: string | null
  readonly step: string | null
  readonly status: Status
  readonly count: number
  readonly oldest?: Duration.Duration | undefined
}

/** How a machine is drawn: `Diagram.Options`. */
interface Options {
  readonly direction?: "TB" | "LR" | undefined
  readonly counts?: Iterable<Count> | undefined
}

/** The colour of a step: that of its worst status. */
export type NodeStatus = "parked" | "limited" | "ready" | "running" | "scheduled" | "waiting" | "ended" | "empty"

/** The limit of a state: `Diagram.GraphLimit`. */
interface NodeLimit {
  readonly name: string
  readonly running: number | undefined
  readonly rate: { readonly limit: number; readonly per: Duration.Duration } | undefined
  readonly keyed: boolean
}

export interface Node {
  /** Safe in every notation: letters, digits and underscores. */
  readonly id: string
  /** The `_tag` of the state, as it is. */
  readonly tag: string
  /** The same, with every character that can't be drawn made visible. */
  readonly label: string
  /** What is declared about the step beside its transitions. */
  readonly notes: ReadonlyArray<string>
  /** Whether the state waits for something. */
  readonly waits: boolean
  /** The names of the tasks whose children it holds. */
  readonly children: ReadonlyArray<string>
  readonly limit: NodeLimit | undefined
  /** How many tasks are in it, a line for each status. Undefined if no counts were given. */
  readonly counts: ReadonlyArray<string> | undefined
  /** Only if counts were given. */
  readonly mood: NodeStatus | undefined
  /** A state that rows of the task have, but no step of it. */
  readonly unknown: boolean
}

/** A move between two states. */
export interface Edge {
  readonly from: Node
  readonly to: Node
  /** What makes the task move, if the state waits. */
  readonly label: string | undefined
}

/** A move to the end of the task. */
export interface Exit {
  readonly from: Node
  readonly label: string | undefined
}

export interface Graph {
  /** The task's name. */
  readonly name: string
  readonly title: string
  readonly direction: "TB" | "LR"
  readonly nodes: ReadonlyArray<Node>
  readonly edges: ReadonlyArray<Edge>
  readonly entries: ReadonlyArray<Node>
  /** The steps without `next`. */
  readonly finals: ReadonlyArray<Node>
  /** Handlers without `next`: of steps, and of what waiting states wait for. */
  readonly ends: ReadonlyArray<Exit>
  /** The others: any of them may return `NextStep.none`, too. */
  readonly exits: ReadonlyArray<Node>
}

/** Escapes control characters, characters that turn the direction of text, and halves of surrogate pairs. */
export const visible = (text: string): string =>
  text.replace(
    /[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

/** Words that Mermaid doesn't read as an id, in upper or lower case. */
const reserved = new Set(
  ("state note end class classdef style click href default direction as hide scale root fork join choice title "
    + "acctitle accdescr statediagram left right of").split(" ")
)

/** The tag itself if it is a plain word: people read the text of a diagram, too. */
const idOf = (tag: string, index: number): string =>
  /^[a-z]\w*$/i.test(tag) && !/^(s\d+|root_\w*)$/i.test(tag) && !reserved.has(tag.toLowerCase()) ? tag : `s${index}`

/** The two largest units say enough, and milliseconds only where there is nothing else. */
const short = (duration: Duration.Duration): string => {
  const seconds = Math.floor(Duration.toSeconds(duration))
  return Duration.format(seconds === 0 ? duration : Duration.seconds(seconds)).split(" ").slice(0, 2).join(" ")
}

type Retries = Pick<TransitionDefinition, "retryDelay" | "retryLimit">

const retryNote = ({ retryDelay, retryLimit }: Retries): ReadonlyArray<string> => {
  if (retryLimit === undefined || retryDelay === undefined) return ["retries by a schedule"]
  if (retryLimit === 0) return []
  const delay = Duration.isZero(retryDelay) ? undefined : durationText(retryDelay)
  if (retryLimit === 1) return [delay === undefined ? "1 retry at once" : `1 retry after ${delay}`]
  const times = retryLimit === Infinity ? "retries for ever" : `${retryLimit} retries`
  return [delay === undefined ? `${times}, at once` : `${times}, ${delay} apart`]
}

const transitionNotes = (transition: TransitionDefinition): ReadonlyArray<string> => [
  ...retryNote(transition),
  ...(transition.transactional ? ["transactional"] : [])
]

/** Each thing that a state waits for has options of its own: they are told apart only if they differ. */
const waitNotes = (on: NonNullable<StepDefinition["on"]>): ReadonlyArray<string> => {
  const notes = on.map((branch) => transitionNotes(branch).join(", "))
  return new Set(notes).size === 1
    ? transitionNotes(on[0]!)
    : on.flatMap((branch, index) => notes[index] === "" ? [] : [`${visible(branchName(branch))}: ${notes[index]}`])
}

const ownNotes = (step: StepDefinition): ReadonlyArray<string> => {
  if (step.on !== undefined) return ["waits", ...waitNotes(step.on)]
  return step.keep === undefined ? transitionNotes(step) : [keepNote(step.keep)]
}

const notesOf = (step: StepDefinition, children: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...ownNotes(step),
  ...(step.limit === undefined ? [] : [limitNote(step.limit)]),
  ...(children.length === 0 ? [] : [`children: ${children.map(visible).join(", ")}`])
]

const limitNote = ({ key, name, rate, running }: LimitDefinition): string => {
  const parts = [
    ...(running === undefined ? [] : [`${typeof running === "number" ? running : "some"} at a time`]),
    ...(rate === undefined ? [] : [`${rate.limit} per ${durationText(Duration.millis(rate.per))}`])
  ]
  return `limit ${visible(name)}: ${parts.join(", ")}${key === undefined ? "" : " of each key"}`
}

const keepNote = (keep: Duration.Duration): string =>
  Duration.isFinite(keep) ? `final, kept for ${durationText(keep)}` : "final, kept until it is cancelled"

/** The worst one first. */
const statuses = ["parked", "limited", "ready", "running", "scheduled", "waiting", "ended"] as const

const moodOf = (counts: ReadonlyArray<Count>): NodeStatus =>
  statuses.find((status) => counts.some((count) => count.status === status)) ?? "empty"

const linesOf = (counts: ReadonlyArray<Count>): ReadonlyArray<string> =>
  statuses.flatMap((one) =>
    counts.filter(({ status }) => status === one).map(({ count, oldest, status }) =>
      `${count.toLocaleString("en-US")} ${status}${oldest === undefined ? "" : `, oldest ${short(oldest)}`}`
    )
  )

/** The counts of each of a task's states. */
const countsByTag = (task: string, counts: Iterable<Count>): ReadonlyMap<string, ReadonlyArray<Count>> => {
  const byTag = new Map<string, Array<Count>>()
  for (const count of counts) {
    if (count.task !== task || count.step === null || count.count === 0) continue
    const others = byTag.get(count.step)
    if (others === undefined) byTag.set(count.step, [count])
    else others.push(count)
  }
  return byTag
}

const makeNode = (
  { tag, ...declared }: Pick<Node, "tag" | "notes" | "waits" | "children" | "limit" | "unknown">,
  index: number,
  counts: ReadonlyArray<Count> | undefined
): Node => ({
  id: idOf(tag, index),
  tag,
  label: visible(tag),
  ...declared,
  counts: counts && linesOf(counts),
  mood: counts && moodOf(counts)
})

const describeStep = (step: StepDefinition) => {
  const children = childTasksIn(step.state)
  return {
    tag: step.tag,
    notes: notesOf(step, children),
    waits: step.on !== undefined,
    children,
    limit: step.limit && limitOf(step.limit),
    unknown: false
  }
}

const limitOf = ({ key, name, rate, running }: LimitDefinition): NodeLimit => ({
  name,
  running: typeof running === "number" ? running : undefined,
  rate: rate && { limit: rate.limit, per: Duration.millis(rate.per) },
  keyed: key !== undefined
})

const makeNodes = (task: TaskDefinition, counts: Options["counts"]): ReadonlyMap<string, Node> => {
  const byTag = counts && countsByTag(task.name, counts)
  const unknown = [...byTag?.keys() ?? []]
    .filter((tag) => !task.steps.some((step) => step.tag === tag))
    .map((tag) => ({
      tag,
      notes: ["no step of this task"],
      waits: false,
      children: [],
      limit: undefined,
      unknown: true
    }))
  return new Map(
    [...task.steps.map(describeStep), ...unknown].map((step, index) =>
      [step.tag, makeNode(step, index, byTag && (byTag.get(step.tag) ?? []))] as const
    )
  )
}

/**
 * Where tasks begin. Without an `entry`: at the steps that no other step moves to, and at the first declared step of
 * each cycle that nothing leads to.
 */
const findEntries = ({ entryTags, steps }: TaskDefinition): ReadonlyArray<string> => {
  if (entryTags !== undefined) return entryTags
  const tags = steps.map(({ tag }) => tag)
  const reach = makeReach(steps)
  const sources = tags.filter((tag) => !steps.some((step) => step.tag !== tag && step.nextTags.includes(tag)))
  sources.forEach(reach)
  return [...sources, ...tags.filter(reach)]
}

export const makeGraph = (task: TaskDefinition, options: Options): Graph => {
  const nodes = makeNodes(task, options.counts)
  const nodeOf = (tag: string) => nodes.get(tag)!
  const isFinal = ({ nextTags }: StepDefinition) => nextTags.length === 0
  const finals = task.steps.filter(isFinal)
  const exits = task.steps.filter((step) => !isFinal(step))
  return {
    name: task.name,
    title: visible(task.name),
    direction: options.direction ?? "TB",
    nodes: [...nodes.values()],
    edges: task.steps.flatMap((step) =>
      [...new Set(step.nextTags)].map((tag) => ({
        from: nodeOf(step.tag),
        to: nodeOf(tag),
        label: labelOf(step, tag)
      }))
    ),
    entries: findEntries(task).map(nodeOf),
    finals: finals.map(({ tag }) => nodeOf(tag)),
    ends: task.steps.flatMap((step) => {
      const label = endLabelOf(step)
      return label === undefined && !isFinal(step) ? [] : [{ from: nodeOf(step.tag), label }]
    }),
    exits: exits.map(({ tag }) => nodeOf(tag))
  }
}

/** Dark text on a light ground, which can be read on light and dark pages. */
export const colours: Readonly<Record<NodeStatus, { readonly fill: string; readonly stroke: string }>> = {
  parked: { fill: "#ffd7d5", stroke: "#cf222e" },
  limited: { fill: "#fbe6d5", stroke: "#bc4c00" },
  ready: { fill: "#fff8c5", stroke: "#9a6700" },
  running: { fill: "#dafbe1", stroke: "#1a7f37" },
  scheduled: { fill: "#ddf4ff", stroke: "#0969da" },
  waiting: { fill: "#fbefff", stroke: "#8250df" },
  ended: { fill: "#eaeef2", stroke: "#57606a" },
  empty: { fill: "#f6f8fa", stroke: "#57606a" }
}
