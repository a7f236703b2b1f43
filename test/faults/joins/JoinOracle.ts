/**
 * Finds what is wrong with the tasks that waited: each signal that was sent was taken, or is left, or was refused, once;
 * each parent went on once, after its children, and read what they came to.
 */
import { allOf, type JoinPlan, type Node, type Talk } from "./JoinPlan.ts"
import { group, type JoinEvidence, type Joined } from "./JoinResult.ts"
import type { Read } from "./JoinTables.ts"
import { freeValue } from "./TreeTask.ts"

type Complain = (what: string) => void

interface Case {
  readonly plan: JoinPlan
  readonly evidence: JoinEvidence
  /** Whether the steps' own statements may fail, which counts as a try. */
  readonly ownFailures: boolean
}

const json = (value: unknown) => JSON.stringify(value)

// ---------------------------------------------------------------------------------------------------------------
// Signals
// ---------------------------------------------------------------------------------------------------------------

/** Where a signal was sent that came to this conversation. */
const sentTo = (talk: Talk, { talks }: JoinPlan) => [
  ...talk.signals.map(({ kind, n }) => ({ kind, n })),
  ...talks.flatMap(({ tells }) => tells.filter(({ to }) => to === talk.id))
]

const judgeSignal = (
  n: number,
  { left, taken, the }: {
    readonly taken: ReadonlyArray<number>
    readonly left: ReadonlyArray<number>
    readonly the: Case
  },
  complain: Complain
): void => {
  const outcome = the.evidence.sent.get(n)
  const times = [...taken, ...left].filter((other) => other === n).length
  const right = outcome === "sent" ? times === 1 : outcome === "unsure" ? times <= 1 : times === 0
  if (!right) {
    complain(
      `signal ${n} was ${outcome ?? "never sent"}, and ${taken.includes(n) ? "taken" : ""}${
        left.includes(n) ? "left" : ""
      } ${times} times`
    )
  }
}

const committed = new Set<string>(["Pong", "Bell"])

const sorted = (numbers: ReadonlyArray<number>) => numbers.toSorted((a, b) => a - b)

/** What transactions took is what the task says that it took. */
const judgeTook = (talk: Talk, taken: ReadonlyArray<number>, { evidence, plan }: Case, complain: Complain): void => {
  const kinds = new Map(sentTo(talk, plan).map(({ kind, n }) => [n, kind]))
  const expected = taken.filter((n) => committed.has(kinds.get(n) ?? ""))
  const found = evidence.took.get(talk.id) ?? []
  if (json(sorted(found)) !== json(sorted(expected))) {
    complain(`${talk.id} took ${json(expected)}, and its transactions took ${json(found)}`)
  }
}

/** Each try of a transition gets the same signal, and no two transitions get one. */
const judgeHeard = (talk: Talk, { evidence, ownFailures }: Case, complain: Complain): void => {
  const heard = evidence.heard.get(talk.id) ?? []
  for (const [key, tries] of group(heard, ({ key }) => key, (one) => one)) {
    const signals = new Set(tries.map(({ n }) => n))
    if (signals.size > 1) complain(`${key} of ${talk.id} got the signals ${json([...signals])}`)
    const last = Math.max(...tries.map(({ attempt }) => attempt))
    const expected = signals.has(0) ? 1 : talk.failures + 1
    if (ownFailures ? last < expected : last !== expected) {
      complain(`${key} of ${talk.id} took ${last} tries, and not ${expected}`)
    }
  }
}

const judgeTalk = (talk: Talk, the: Case, complain: Complain): void => {
  const { awaited, ended, enqueued } = the.evidence
  const row = ended.get(enqueued.get(talk.id) ?? "")
  if (row === undefined) return complain(`${talk.id} has not ended`)
  const { left } = row
  const taken = row.fields["taken"] as ReadonlyArray<number>
  for (const { n } of sentTo(talk, the.plan)) judgeSignal(n, { taken, left, the }, complain)
  const known = new Set(sentTo(talk, the.plan).map(({ n }) => n))
  const foreign = [...taken, ...left].filter((n) => !known.has(n))
  if (foreign.length > 0) complain(`${talk.id} got the signals ${json(foreign)}, which are not its own`)
  const timedOut = row.fields["timedOut"] === true
  if (taken.length !== talk.wants + talk.late && !timedOut) complain(`${talk.id} ended with ${json(taken)}`)
  if (json({ ...(awaited.get(talk.id) as object), _tag: undefined }) !== json({ ...row.fields, _tag: undefined })) {
    complain(`${talk.id} ended as ${json(row.fields)}, and who awaited it got ${json(awaited.get(talk.id))}`)
  }
  judgeTook(talk, taken, the, complain)
  judgeHeard(talk, the, complain)
}

// ---------------------------------------------------------------------------------------------------------------
// Trees
// ---------------------------------------------------------------------------------------------------------------

/** What a child has come to, as its parent reads it. */
const valueOf = ({ id, mode }: Node, { values }: JoinEvidence): string =>
  `${id} ${mode === "free" ? freeValue(id) : values.get(id)?.[0]}`

const isRight = (child: Node, read: Read | undefined, evidence: JoinEvidence): boolean => {
  if (read?.node !== child.id) return false
  switch (read.tag) {
    case "Ended":
      return !child.gone && read.value === valueOf(child, evidence)
    case "Parked":
      return read.value.includes("planned") || read.value.includes("The worker crashed")
    case "Gone":
      return child.gone || evidence.felled.has(child.id)
  }
}

const judgeJoined = (
  node: Node,
  { event, open, results }: Joined,
  evidence: JoinEvidence,
  complain: Complain
): void => {
  if (event === "timeout" && node.join === "impatient") return
  if (event !== (node.join === "impatient" ? "children" : node.join)) complain(`${node.id} went on by ${event}`)
  if (open !== 0) complain(`${node.id} went on while ${open} of its children were open`)
  node.children.forEach((child, n) => {
    if (!isRight(child, results[n], evidence)) {
      complain(`${node.id} read ${json(results[n])} of ${child.id}, which came to ${valueOf(child, evidence)}`)
    }
  })
  if (results.length !== node.children.length) complain(`${node.id} read ${results.length} results`)
}

/** Each node is spawned once, and ends once; but one that was deleted by hand may not have. */
const judgeGrown = (node: Node, { felled, grew, values }: JoinEvidence, complain: Complain): void => {
  const rows = new Set(grew.get(node.id)?.map(({ task }) => task)).size
  const ends = values.get(node.id)?.length ?? 0
  const noted = node.mode === "free" || node.gone ? 0 : 1
  const isRight = felled.has(node.id) ? rows <= 1 && ends <= noted : rows === 1 && ends === noted
  if (!isRight) complain(`${node.id} was spawned ${rows} times, and ended ${ends} times, not ${noted}`)
}

const judgeNode = (node: Node, isLeaf: boolean, evidence: JoinEvidence, complain: Complain): void => {
  judgeGrown(node, evidence, complain)
  if (isLeaf) return
  const joined = evidence.joined.get(node.id) ?? []
  if (joined.length !== 1) return complain(`${node.id} went on ${joined.length} times: ${json(joined)}`)
  judgeJoined(node, joined[0]!, evidence, complain)
}

/** How deep a tree is: its leaves are there. */
const depth = 3

const judgeTree = (tree: Node, evidence: JoinEvidence, complain: Complain): void => {
  for (const node of allOf(tree)) judgeNode(node, levelOf(node) === depth, evidence, complain)
  const row = evidence.ended.get(evidence.enqueued.get(tree.id) ?? "")
  if (row === undefined) return complain(`${tree.id} has not ended`)
  if (`${tree.id} ${String(row.fields["value"])}` !== valueOf(tree, evidence)) {
    complain(`${tree.id} ended with ${json(row.fields)}`)
  }
  if (
    json({ ...(evidence.awaited.get(tree.id) as object), _tag: undefined }) !== json({ ...row.fields, _tag: undefined })
  ) {
    complain(`${tree.id} ended as ${json(row.fields)}, and who awaited it got ${json(evidence.awaited.get(tree.id))}`)
  }
}

/** Each level adds a point to the name. */
const levelOf = ({ id }: Node): number => id.split(".").length - 1

/** All that is wrong. */
export const judgeJoins = (the: Case): ReadonlyArray<string> => {
  const complaints: Array<string> = []
  const complain = (what: string) => void complaints.push(what)
  for (const talk of the.plan.talks) judgeTalk(talk, the, complain)
  for (const tree of the.plan.trees) judgeTree(tree, the.evidence, complain)
  return complaints
}

/** What became of the signals: for the log. */
export const countSignals = ({ evidence, plan }: Pick<Case, "evidence" | "plan">) => {
  const all = plan.talks.flatMap((talk) => evidence.ended.get(evidence.enqueued.get(talk.id) ?? "") ?? [])
  const outcomes = [...evidence.sent.values()]
  return {
    sent: outcomes.length,
    taken: all.reduce((sum, { fields }) => sum + (fields["taken"] as ReadonlyArray<number>).length, 0),
    left: all.reduce((sum, { left }) => sum + left.length, 0),
    refused: outcomes.filter((outcome) => outcome === "refused").length
  }
}
