/** Finds what is wrong with the limited tasks at the end of a round. */
import type { Strictness } from "../Strictness.ts"
import { type LimitPlan, runningOf } from "./LimitPlan.ts"

export interface NotedRun {
  readonly plan: string
  readonly seq: number
  readonly key: string | null
  readonly slotless: boolean
  readonly young: boolean
  readonly task: string
  readonly transitions: number
  readonly attempt: number
  /** By the clock of its process: the others are those of its notes. */
  readonly started: number
  /** In milliseconds since 1970. Without an end, its process was killed. */
  readonly began: number
  readonly ended: number | null
}

export interface LimitEvidence {
  readonly runs: ReadonlyArray<NotedRun>
  readonly gone: ReadonlySet<string>
  readonly touched: ReadonlySet<string>
}

/** How many of these were at work at the same time, at most. One that ends when another one begins was before it. */
export const mostAtOnce = (runs: ReadonlyArray<Pick<NotedRun, "began" | "ended">>): number => {
  const changes = runs.flatMap(({ began, ended }) => ended === null ? [] : [[began, 1] as const, [ended, -1] as const])
  changes.sort(([a, up], [b, down]) => a - b || up - down)
  let [now, most] = [0, 0]
  for (const [, change] of changes) {
    now += change
    most = Math.max(most, now)
  }
  return most
}

const judgeOverlaps = ({ runs }: LimitEvidence): ReadonlyArray<string> =>
  [...new Set(runs.flatMap(({ key }) => key ?? []))].flatMap((key) => {
    const most = mostAtOnce(runs.filter((run) => run.key === key))
    return most > runningOf(key) ? [`${most} steps of ${key} were at work at the same time`] : []
  })

/** Whether two handlers are never at work for one slot: no worker crashes, no lease ends, and the server forgets nothing. */
export const isExact = (strict: Strictness | undefined): boolean =>
  strict !== undefined && !strict.stalled && !strict.forgets && strict.losses === 0

export const judgeLimits = ({ evidence, plans, strict }: {
  readonly plans: ReadonlyArray<LimitPlan>
  readonly evidence: LimitEvidence
  readonly strict: Strictness | undefined
}): ReadonlyArray<string> => {
  const { gone, runs, touched } = evidence
  const ran = new Set(runs.map(({ plan, seq }) => `${plan} ${seq}`))
  const missing = plans.filter(({ id }) => !gone.has(id)).flatMap(({ id, ops }) =>
    ops.flatMap((_, seq) => ran.has(`${id} ${seq}`) ? [] : [`step ${seq} of ${id} was never run`])
  )
  const slotless = strict?.forgets === true ?
    [] :
    runs.filter((run) => run.slotless && !run.young && !touched.has(run.plan))
  return [
    ...missing,
    ...slotless.map((run) => `a step began without its slot: ${JSON.stringify(run)}`),
    ...(isExact(strict) ? judgeOverlaps(evidence) : [])
  ]
}
