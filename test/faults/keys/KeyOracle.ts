/**
 * What must become of calls with keys. Calls that store a task, or replace its state, hold its row until they commit: so
 * it is known in which order they came, and which of them was the last one before a row ended.
 */
import type { Strictness } from "../Strictness.ts"
import type { Evidence } from "../RoundResult.ts"
import type { Call } from "./KeyLedger.ts"
import type { KeyedPlan } from "./KeyCalls.ts"
import { replaces } from "./PlanKey.ts"

type Complain = (what: string) => void

/** What must have become of a plan with a key. */
export type KeyedFate =
  /** It was stored, and nobody has replaced it. */
  | "Done"
  /** Another state has taken its place: it may have begun. */
  | "Replaced"
  /** It was never stored. */
  | "Nothing"

/** A call that has given its row a state. */
interface Effective {
  readonly plan: KeyedPlan
  readonly call: Call
}

const effectiveOf = (plans: ReadonlyArray<KeyedPlan>, { calls }: Evidence): ReadonlyMap<string, Array<Effective>> => {
  const byId = new Map(plans.map((plan) => [plan.id, plan]))
  const found = new Map(plans.map(({ key: { key } }): [string, Array<Effective>] => [key, []]))
  for (const call of calls) {
    const plan = byId.get(call.plan)
    if (plan !== undefined && (call.created || replaces(plan.key))) found.get(call.key)!.push({ plan, call })
  }
  return found
}

/** Calls without a transaction: what was not noted may have happened. */
const isUnsure = ({ how }: KeyedPlan): boolean => how === "direct"

/** The fate of each plan with a key. */
export const keyedFates = (
  plans: ReadonlyArray<KeyedPlan>,
  evidence: Evidence,
  hasTrace: (id: string) => boolean
): ReadonlyMap<string, KeyedFate> => {
  const noted = new Set(evidence.calls.map(({ plan }) => plan))
  const fates = new Map(plans.map((plan): [string, KeyedFate] => [
    plan.id,
    isUnsure(plan) && !noted.has(plan.id) && hasTrace(plan.id) ? "Done" : "Nothing"
  ]))
  for (const effective of effectiveOf(plans, evidence).values()) {
    effective.forEach(({ plan }, n) => {
      const next = effective[n + 1]
      fates.set(plan.id, next === undefined || next.call.created ? "Done" : "Replaced")
    })
  }
  return fates
}

interface Event {
  readonly plan: string
  readonly seq: number
  readonly round: number
  /** Which try it was, of a run. */
  readonly attempt?: number
  readonly at: number
}

/** What plans did, in the order in which they did it. */
const eventsOf = (
  plans: ReadonlySet<string>,
  all: ReadonlyMap<string, ReadonlyArray<Event>>
): ReadonlyArray<Event> =>
  [...all.values()].flat().filter(({ plan }) => plans.has(plan)).toSorted((a, b) => a.at - b.at)

/** One after the other, and in the order of the calls if it is known. */
const judgeOrder = (what: string, ids: ReadonlyArray<string>, events: ReadonlyArray<Event>, complain: Complain) => {
  const order = events.map(({ plan }) => plan).filter((plan, n, all) => plan !== all[n - 1])
  const expected = ids.filter((id) => order.includes(id))
  if (new Set(order).size < order.length) return complain(`${what} ran beside each other: ${order.join(", ")}`)
  if (order.join() !== expected.join()) complain(`${what} ran as ${order.join(", ")}, not as ${expected.join(", ")}`)
}

/** Once it has another state, a row does nothing that an earlier one asked for, but for the attempt that runs. */
const judgeReplaced = (
  { after, call, plan }: Effective & { readonly after: ReadonlyArray<Event> },
  what: string,
  complain: Complain
) => {
  const most = !call.created && call.status === "running" ? 1 : 0
  // A transaction that Postgres refused is begun anew, in the same attempt.
  const attempts = new Set(after.map((event) => `${event.plan} ${event.seq}.${event.round} ${event.attempt ?? 1}`))
  if (attempts.size > most) {
    complain(`${plan.id} (${call.status}) took the place of what ${what} afterwards: ${JSON.stringify(after)}`)
  }
}

/** Which row a call was told of. */
const judgeIds = (effective: ReadonlyArray<Effective>, complain: Complain) => {
  effective.forEach(({ call }, n) => {
    const before = effective[n - 1]?.call.task
    const right = call.created
      ? effective.slice(0, n).every((earlier) => earlier.call.task !== call.task)
      : call.task === before
    if (!right) complain(`${call.plan} got the row ${call.task}, after ${before}: ${JSON.stringify(call)}`)
  })
}

const judgeFound = (calls: ReadonlyArray<Call>, rows: ReadonlySet<string>, complain: Complain) => {
  for (const { key, plan, task } of calls) {
    if (!rows.has(task)) complain(`${plan} found the row ${task}, which nobody has stored with the key ${key}`)
  }
}

/** No state begins before its time. Throttled ones have the time of the state before them. */
const judgeTimes = (effective: ReadonlyArray<Effective>, runs: ReadonlyArray<Event>, complain: Complain) => {
  for (const { call, plan } of effective) {
    const first = runs.find((run) => run.plan === plan.id)
    if (first === undefined || (plan.key.onConflict === "throttle" && !call.created)) continue
    if (first.at < call.began + plan.key.delay * 1000) complain(`${plan.id} began before its time`)
  }
}

const judgeEffective = (
  effective: ReadonlyArray<Effective>,
  { transfers, runs }: Evidence,
  strict: Strictness | undefined,
  complain: Complain
) => {
  const ids = effective.map(({ plan }) => plan.id)
  const mayJudgeRuns = strict !== undefined && !strict.stalled && !strict.forgets && strict.losses === 0
  const doings = [
    ["moved money", eventsOf(new Set(ids), transfers)],
    ...mayJudgeRuns ? [["ran", eventsOf(new Set(ids), runs)] as const] : []
  ] as const
  for (const [what, events] of doings) {
    judgeOrder(`the calls that ${what}`, ids, events, complain)
    effective.forEach(({ call, plan }, n) => {
      const earlier = new Set(ids.slice(0, n))
      const after = events.filter(({ at, plan }) => at > call.at && earlier.has(plan))
      judgeReplaced({ call, plan, after }, what, complain)
    })
  }
  judgeIds(effective, complain)
  if (mayJudgeRuns) judgeTimes(effective, doings[1]![1], complain)
}

/** The order of calls without transactions is not known: what each of them stored ran by itself. */
const judgeUnsure = (plans: ReadonlyArray<KeyedPlan>, { transfers }: Evidence, complain: Complain) => {
  const events = eventsOf(new Set(plans.map(({ id }) => id)), transfers)
  judgeOrder("the calls that moved money", [...new Set(events.map(({ plan }) => plan))], events, complain)
}

/** What is wrong beyond what each plan did. */
export const judgeKeyed = (
  plans: ReadonlyArray<KeyedPlan>,
  evidence: Evidence,
  strict: Strictness | undefined,
  complain: Complain
): void => {
  for (const [key, effective] of effectiveOf(plans, evidence)) {
    const own = plans.filter((plan) => plan.key.key === key)
    if (own.some(isUnsure)) {
      judgeUnsure(own, evidence, complain)
      continue
    }
    const calls = evidence.calls.filter((call) => call.key === key)
    judgeEffective(effective, evidence, strict, complain)
    const rows = new Set(effective.filter(({ call }) => call.created).map(({ call }) => call.task))
    judgeFound(calls, rows, complain)
  }
}
