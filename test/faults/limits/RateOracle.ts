/**
 * Finds what is wrong with rates, back-offs and pauses at the end of a round. What the database gives is judged by its
 * own clock, in every round. When steps begin is judged only where every worker could hear of what it had to.
 */
import type { Given } from "./DoorLog.ts"
import type { NotedRun } from "./LimitOracle.ts"
import { limitOf, rateOf } from "./LimitPlan.ts"
import type { Look } from "./LimitWatch.ts"
import { limitedTask, type Still } from "./Still.ts"

export interface RateEvidence {
  readonly runs: ReadonlyArray<NotedRun>
  readonly given: ReadonlyArray<Given>
  readonly stills: ReadonlyArray<Still>
  readonly looks: ReadonlyArray<Look>
}

/** How many moments were certainly given in a window of so many milliseconds, at most. */
export const mostInWindow = (moments: ReadonlyArray<Pick<Given, "began" | "ended">>, per: number): number =>
  Math.max(0, ...moments.map(({ began }) => moments.filter((m) => m.began >= began && m.ended < began + per).length))

const judgeWindows = ({ given }: RateEvidence): ReadonlyArray<string> =>
  [...new Set(given.map(({ key }) => key))].flatMap((key) => {
    const rate = rateOf(key)
    if (rate === undefined) return []
    const allowed = rate.limit + Math.floor(rate.limit * 1000 / rate.per)
    const most = mostInWindow(given.filter((one) => one.what === "moment" && one.key === key), rate.per)
    return most > allowed ? [`${most} moments of ${key} were given within ${rate.per} ms: ${allowed} may be`] : []
  })

/** Clocks are finer than a number of milliseconds. */
const blur = 2

/**
 * However slowly a busy machine gives them, each moment moves the next one on. All of a call come together: they have the
 * same beginning.
 */
const judgeMoves = ({ given }: RateEvidence): ReadonlyArray<string> => {
  const moments = given.filter(({ key, what }) => what === "moment" && rateOf(key) !== undefined)
  return moments.filter((one) => {
    const { limit, per } = rateOf(one.key)!
    const count = moments.filter(({ began, key }) => key === one.key && began === one.began).length
    return one.next === null || one.next < one.began + count * per / limit - blur
  }).map((one) => `a moment was given, and not taken from the rate: ${JSON.stringify(one)}`)
}

const attemptOf = ({ attempt, task, transitions }: Pick<Given, "attempt" | "task" | "transitions">) =>
  `${task} ${transitions} ${attempt}`

/** Each start needs a moment of its own. */
const judgeStarts = ({ given, runs }: RateEvidence): ReadonlyArray<string> => {
  const moments = new Map<string, number>()
  for (const one of given) {
    if (one.what === "moment") moments.set(attemptOf(one), (moments.get(attemptOf(one)) ?? 0) + 1)
  }
  return runs.filter(({ key, young }) => !young && key !== null && rateOf(key) !== undefined).flatMap((run) => {
    const left = moments.get(attemptOf(run)) ?? 0
    moments.set(attemptOf(run), left - 1)
    return left > 0 ? [] : [`a step began without a moment of its rate: ${JSON.stringify(run)}`]
  })
}

const concerns = ({ name }: Still, key: string) => [limitedTask, key, limitOf(key)].includes(name)

/** While a task is paused, the worker sees to it that no row asks for a moment. */
const judgeDoor = ({ given, stills }: RateEvidence): ReadonlyArray<string> =>
  stills.flatMap((still) =>
    given.filter((one) =>
      concerns(still, one.key) && (still.name !== limitedTask || one.what === "slot") &&
      one.began > still.since && one.ended < still.until
    ).map((one) =>
      `a ${one.what} was given during the ${still.what} of ${still.name}: ${JSON.stringify({ one, still })}`
    )
  )

/** The time in which a worker hears of it: longer where looks at the table take long, too. In milliseconds. */
const hearing = { usually: 3000, looks: 20 }

/** From when on no step may begin. */
const stillFrom = ({ looks }: RateEvidence, { since, until }: Still): number => {
  const during = looks.filter(({ at, took }) => at < until && at + took > since - hearing.usually)
  return since + hearing.usually + hearing.looks * Math.max(0, ...during.map(({ took }) => took))
}

/**
 * While a limit is paused, those go on that a worker has taken, or that had a slot when their worker was stopped: there
 * the door says all.
 */
const judgeBegun = (evidence: RateEvidence): ReadonlyArray<string> =>
  evidence.stills.filter(({ name, what }) => what === "back-off" || name === limitedTask).flatMap((still) => {
    const from = stillFrom(evidence, still)
    return evidence.runs.filter(({ key, started }) =>
      concerns(still, key ?? "") && started > from && started < still.until
    ).map((run) => `a step began during the ${still.what} of ${still.name}: ${JSON.stringify({ run, still })}`)
  })

/** `forgets`: the server crashed. `exact`: no worker was cut off from the database, or stopped by force. */
export const judgeRates = (
  evidence: RateEvidence,
  { exact, forgets }: { readonly exact: boolean; readonly forgets: boolean }
): ReadonlyArray<string> => [
  ...judgeWindows(evidence),
  ...judgeMoves(evidence),
  ...(forgets ? [] : judgeStarts(evidence)),
  ...judgeDoor(evidence),
  ...(exact ? judgeBegun(evidence) : [])
]

/** How many of these were long enough for it to matter when steps began. */
export const countLong = (evidence: RateEvidence): number =>
  evidence.stills.filter((still) => stillFrom(evidence, still) < still.until).length
