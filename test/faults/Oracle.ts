/** Finds what is wrong at the end of a round: every plan must have ended as it says, and in no other way. */
import type { Evidence, Row } from "./RoundResult.ts"
import { childId } from "./PlannedTask.ts"
import { isKeyed } from "./keys/KeyCalls.ts"
import { judgeKeyed, keyedFates } from "./keys/KeyOracle.ts"
import { judgeTicking } from "./ticks/TickOracle.ts"
import { initialBalance, type Place, placeOf } from "./EffectTables.ts"
import type { Strictness } from "./Strictness.ts"
import { forever, type Op, type Plan, writes } from "./Plan.ts"

export interface Case {
  readonly plans: ReadonlyArray<Plan>
  readonly evidence: Evidence
  /** The stricter demands of rounds in which no worker crashes; undefined if workers crash. */
  readonly strict: Strictness | undefined
}

type Complain = (what: string) => void

/** What must have become of a plan. */
type Fate =
  /** It is done, or has come to where it stays. */
  | "Done"
  /** It was cancelled on its way. */
  | "Cancelled"
  /** Another state took its place on its way. */
  | "Replaced"
  /** It never existed. */
  | "Nothing"

/** Every place of a plan up to where it stays, and what is done there. */
const placesOf = (plan: string, ops: ReadonlyArray<Op>): ReadonlyArray<readonly [Place, Op]> => {
  const end = ops.findIndex((op) => staysAt(op)) + 1
  return ops.slice(0, end === 0 ? ops.length : end).flatMap((op, seq) =>
    Array.from({ length: op.rounds }, (_, round) => [{ plan, seq, round: round + 1 }, op] as const)
  )
}

/** Whether nobody gets beyond it. */
export const staysAt = ({ failures, kind }: Op): boolean =>
  kind === "broken" || (kind === "poison" && failures >= forever)

const hasTrace = (id: string, { rows, runs }: Evidence): boolean =>
  rows.some(({ plan }) => plan === id) || [...runs.keys()].some((place) => place.startsWith(`${id} `))

const fateOf = (plan: Plan, evidence: Evidence): Fate => {
  const { cancelled, enqueued, sent } = evidence
  if (cancelled.has(plan.id)) return "Cancelled"
  if (plan.how !== "direct" && plan.how !== "batch") return enqueued.has(plan.id) ? "Done" : "Nothing"
  const sure = sent.get(plan.id)
  return sure === true || (sure === false && hasTrace(plan.id, evidence)) ? "Done" : "Nothing"
}

/** What is wrong with the numbers of the attempts of a step, `last` being the highest. */
const wrongAttempts = (op: Op, last: number, ownFailures: boolean): boolean => {
  if (writes(op.mode)) return ownFailures ? last <= op.failures : last !== op.failures + 1
  if (op.kind === "flaky") return last !== op.failures + 1
  if (op.kind === "broken") return last < 2
  return op.kind !== "stubborn" && last !== 1
}

/** How often a step may have run without its outcome being stored: it was interrupted, or its row was taken away. */
const excuses = (place: Place, op: Op, evidence: Evidence, strict: Strictness): number => {
  const { interrupters, interruptions, losses } = strict
  const noted = interruptions.get(placeOf(place)) ?? 0
  const robbed = op.kind === "robbed" || op.kind === "hung"
  // Its handler had ended when its `commit` was interrupted, and could not take note.
  const silently = op.mode === "commit" && noted === 0 &&
    evidence.runs.get(placeOf(place))?.some(({ worker }) => interrupters.has(worker)) === true
  return noted + (robbed ? 1 : 0) + (silently ? 1 : 0) + (op.mode === "commit" ? losses : 0)
}

const judgeRuns = (place: Place, op: Op, { evidence, strict }: Case, complain: Complain): void => {
  const name = `${placeOf(place)} (${op.kind}, ${op.mode})`
  const runs = evidence.runs.get(placeOf(place)) ?? []
  if (runs.length === 0) return mayBeForgotten(op, strict) ? undefined : complain(`${name} was never run`)
  const attempts = new Set(runs.map(({ attempt }) => attempt))
  const last = Math.max(...attempts)
  if (attempts.size !== last || wrongAttempts(op, last, strict?.ownFailures ?? true)) {
    complain(`${name} failed ${op.failures} times, and has the attempts ${[...attempts].join(", ")}`)
  }
  if (new Set(runs.map(({ key }) => key)).size > 1) complain(`${name} has several idempotency keys`)
  if (strict === undefined || !mayCount(op, strict)) return
  if (runs.length > last + excuses(place, op, evidence, strict) + forgottenClaims(strict)) {
    const workers = runs.map(({ attempt, worker }) => `${worker} (${attempt})`).join(", ")
    complain(`${name} was run ${runs.length} times, by ${workers}`)
  }
}

/**
 * The server may have forgotten the note of an asynchronous step, and the move that followed: the worker then stored the
 * move again.
 */
const mayBeForgotten = ({ mode }: Op, strict: Strictness | undefined): boolean =>
  mode === "async" && strict?.forgets !== false

/** Whether each run of a step needs a reason. */
const mayCount = ({ mode }: Op, { boundAgain, forgets, stalled }: Strictness): boolean =>
  !stalled && !(mode === "bound" && boundAgain) && !(mode === "async" && forgets)

/**
 * A server that crashes may forget a claim, which does not wait for the disk: then the step runs again, and what the
 * first run returns is refused. That may happen once for each crash.
 */
const forgottenClaims = ({ forgets, losses }: Strictness): number => forgets ? losses : 0

const moves = (op: Op) => writes(op.mode) && op.amount > 0 && !staysAt(op)

const judgeTransfers = (place: Place, op: Op, { transfers }: Evidence, complain: Complain): void => {
  const found = transfers.get(placeOf(place)) ?? []
  const expected = moves(op) ? 1 : 0
  const alike = found.every(({ amount, source, target }) =>
    amount === op.amount && source === op.from && target === op.to
  )
  if (found.length !== expected || !alike) {
    complain(
      `${placeOf(place)} (${op.kind}, ${op.mode}) moved money ${found.length} times, not ${expected}: ${
        JSON.stringify(found)
      }`
    )
  }
}

/** What it did is a beginning of its plan, each thing once. */
const judgeBeginning = (
  plan: Plan,
  what: "Cancelled" | "Replaced",
  { rows, transfers }: Evidence,
  complain: Complain
): void => {
  const was = `${plan.id} was ${what.toLowerCase()}`
  if (rows.some((row) => row.plan === plan.id)) complain(`${was}, and is still there`)
  const counts = placesOf(plan.id, plan.ops).filter(([, op]) => moves(op))
    .map(([place]) => transfers.get(placeOf(place))?.length ?? 0)
  const isBeginning = counts.every((count, n) => count <= 1 && count <= (counts[n - 1] ?? 1))
  if (!isBeginning) complain(`${was}, and moved money ${counts.join(", ")} times`)
}

/** Where a plan is that isn't over, in the table. */
const judgeRow = (id: string, ops: ReadonlyArray<Op>, evidence: Evidence, complain: Complain): void => {
  const rows = evidence.rows.filter(({ plan }) => plan === id)
  const seq = ops.findIndex((op) => staysAt(op))
  if (rows.length !== (seq < 0 ? 0 : 1)) {
    return complain(`${id} has ${rows.length} rows at the end: ${JSON.stringify(rows)}`)
  }
  if (seq < 0) return
  const row = rows[0]!
  const runs = evidence.runs.get(placeOf({ plan: id, seq, round: 1 })) ?? []
  const right = ops[seq]!.kind === "broken"
    ? row.error?.includes("planned") === true && row.tried === Math.max(...runs.map(({ attempt }) => attempt))
    : row.error?.includes("The worker crashed") === true && row.tried === 0
  if (!right || row.leased) complain(`${id} is parked wrongly: ${JSON.stringify(row)}`)
}

const judgePlan = (
  plan: { readonly id: string; readonly ops: ReadonlyArray<Op> },
  fate: Fate,
  the: Case,
  { complain, seen }: { readonly seen: Set<string>; readonly complain: Complain }
): void => {
  if (fate === "Nothing") return
  judgeRow(plan.id, plan.ops, the.evidence, complain)
  for (const [place, op] of placesOf(plan.id, plan.ops)) {
    seen.add(placeOf(place))
    judgeRuns(place, op, the, complain)
    judgeTransfers(place, op, the.evidence, complain)
    if (op.child.length > 0) {
      const child = { id: childId(place), ops: op.child.map((own) => ({ ...own, child: [] })) }
      judgePlan(child, fate, the, { seen, complain })
    }
  }
}

const judgeGarbage = (id: string, parked: boolean, row: Row | undefined, complain: Complain): void => {
  if (row === undefined) return complain(`the garbage ${id} is gone`)
  const right = row.tried === 0 && !row.leased && row.transitions === 0 &&
    (parked ? row.error !== null : row.error === null && row.crashes === 0)
  if (!right) complain(`garbage, which should be ${parked ? "parked" : "untouched"}, is ${JSON.stringify(row)}`)
}

const judgeMoney = ({ balances, transfers }: Evidence, complain: Complain): void => {
  const expected = new Map([...balances.keys()].map((id) => [id, initialBalance]))
  for (const { amount, source, target } of [...transfers.values()].flat()) {
    expected.set(source, expected.get(source)! - amount)
    expected.set(target, expected.get(target)! + amount)
  }
  for (const [id, balance] of balances) {
    if (balance !== expected.get(id)) complain(`account ${id} has ${balance}, and should have ${expected.get(id)}`)
  }
}

const judgeKeys = ({ runs }: Evidence, complain: Complain): void => {
  const owners = new Map<string, string>()
  for (const [place, [run]] of runs) {
    const other = owners.get(run!.key)
    if (other !== undefined) complain(`${place} and ${other} share an idempotency key`)
    owners.set(run!.key, place)
  }
}

/** A row that the server has put back looks as if its worker had crashed. */
const mayLookCrashed = ({ ops }: Plan): boolean =>
  ops.some(({ child, mode }) => mode === "async" || child.some((own) => own.mode === "async"))

/** See limits/LimitPlan.ts. */
const isLimited = (plan: string): boolean => /^l\d/.test(plan)

const judgeCrashes = ({ evidence, plans, strict }: Case, complain: Complain): void => {
  const excused = new Set(plans.filter((plan) => strict?.forgets === true && mayLookCrashed(plan)).map(({ id }) => id))
  for (const [plan, n] of evidence.crashes) {
    // A limited row that finds no slot leaves its worker again, and that commit does not wait for the disk either.
    if (excused.has(plan.split("/")[0]!) || strict?.forgets === true && isLimited(plan)) continue
    complain(`a crash was counted ${n} times while ${plan} ran, though nobody crashed`)
  }
}

/** Every plan, and what was run beside them. */
const judgePlans = (the: Case, complain: Complain): void => {
  const { evidence, plans } = the
  const seen = new Set<string>()
  const begun = new Set<string>()
  const keyed = keyedFates(plans.filter(isKeyed), evidence, (id) => hasTrace(id, evidence))
  for (const plan of plans) {
    const fate = keyed.get(plan.id) ?? fateOf(plan, evidence)
    if (fate === "Cancelled" || fate === "Replaced") {
      begun.add(plan.id)
      judgeBeginning(plan, fate, evidence, complain)
    } else judgePlan(plan, fate, the, { seen, complain })
  }
  for (const place of new Set([...evidence.runs.keys(), ...evidence.transfers.keys()])) {
    if (!seen.has(place) && !begun.has(place.split(" ")[0]!)) complain(`${place} was run, which nobody asked for`)
  }
}

const judgeRows = ({ evidence, plans }: Case, complain: Complain): void => {
  for (const [id, parked] of evidence.garbage) {
    judgeGarbage(id, parked, evidence.rows.find((row) => row.id === id), complain)
  }
  const known = new Set(plans.map(({ id }) => id))
  for (const row of evidence.rows) {
    const mine = evidence.garbage.has(row.id) || (row.plan !== null && known.has(row.plan))
    if (!mine || row.leased) complain(`a row that should not be there, or not be leased: ${JSON.stringify(row)}`)
  }
}

/** How often asynchronous steps of these plans were run again. */
export const countAgain = ({ evidence, plans }: Pick<Case, "evidence" | "plans">): number => {
  const places = plans.flatMap(({ id, ops }) => placesOf(id, ops)).filter(([, { mode }]) => mode === "async")
  return places.reduce((sum, [place]) => sum + Math.max(0, (evidence.runs.get(placeOf(place))?.length ?? 0) - 1), 0)
}

/** All that is wrong. */
export const judge = (the: Case): ReadonlyArray<string> => {
  const complaints: Array<string> = []
  const complain = (what: string) => void complaints.push(what)
  judgePlans(the, complain)
  judgeRows(the, complain)
  if (the.strict?.stalled === false) judgeCrashes(the, complain)
  judgeMoney(the.evidence, complain)
  judgeKeyed(the.plans.filter(isKeyed), the.evidence, the.strict, complain)
  judgeTicking(the.evidence.ticking, complain)
  judgeKeys(the.evidence, complain)
  return complaints
}
