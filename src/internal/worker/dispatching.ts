/** The dispatchers of a worker: one for each lane, with what each has of its own. See lanes.ts. */
import * as Effect from "effect/Effect"
import type { TaskDefinition } from "../definition/task.ts"
import type { Crowd } from "./crowd.ts"
import { Dispatcher, type DispatcherOptions } from "./dispatcher.ts"
import { lanesOf } from "./lanes.ts"
import type { Pauses } from "./pauses.ts"
import { Poll, type PollOptions } from "./poll.ts"
import type { Quarantine } from "./quarantine.ts"
import { knownOf, UnknownStates } from "./unknownStates.ts"
import { Wakeup, type Waker } from "./wakeup.ts"
import { type Answers, Wakeups } from "./wakeups.ts"

/** Where the dispatchers sleep. */
interface Sleeps {
  readonly lanes: ReadonlyArray<ReadonlyMap<string, TaskDefinition>>
  readonly sleeps: ReadonlyArray<Wakeup>
  /** Wakes the dispatchers of all lanes. */
  readonly wakeup: Waker
  readonly answersOf: (lane: number, crowd: Crowd) => Answers
}

export const makeSleeps = (tasks: ReadonlyMap<string, TaskDefinition>, now: () => number): Sleeps => {
  const lanes = lanesOf(tasks)
  const sleeps = lanes.map(() => new Wakeup(now))
  if (sleeps.length === 1) return { lanes, sleeps, wakeup: sleeps[0]!, answersOf: (_, crowd) => crowd }
  const wakeup = new Wakeups(sleeps, now)
  return { lanes, sleeps, wakeup, answersOf: (lane, crowd) => wakeup.answersOf(lane, crowd) }
}

type Shared =
  & Omit<DispatcherOptions, "crowd" | "lane" | "pauses" | "poll" | "tasks" | "unknownStates" | "wakeup">
  & Omit<PollOptions, "pauses" | "quarantine">
  & Pick<Sleeps, "answersOf" | "lanes" | "sleeps">
  & { readonly crowd: Crowd; readonly encoding: string; readonly pauses: Pauses; readonly quarantine: Quarantine }

/** What runs all of them, and what tells of rows in states that their tasks don't know. */
export interface Dispatching {
  /** When a claim last succeeded, by the local clock in milliseconds. */
  readonly lastClaim: number | undefined
  /** How long the tasks of the last claims had been due, at most, in milliseconds. */
  readonly lag: number
  readonly run: Effect.Effect<void>
  readonly unknownStates: ReadonlyArray<Effect.Effect<never>>
}

export const makeDispatching = (shared: Shared): Dispatching => {
  const { crowd, encoding, lanes, quarantine, sleeps } = shared
  // A look of one lane says nothing of what is in quarantine in another one.
  const seen = lanes.length === 1
    ? quarantine
    : { seen: (some: boolean) => some ? quarantine.look() : undefined }
  const parts = lanes.map((tasks, lane) => {
    const known = knownOf(tasks, encoding)
    const own = {
      ...shared,
      lane,
      tasks: [...tasks.keys()],
      known,
      pauses: shared.pauses.within(known),
      wakeup: sleeps[lane]!
    }
    const unknownStates = new UnknownStates({ ...own, pollInterval: shared.longestPoll })
    const poll = new Poll({ ...own, quarantine: seen })
    const dispatcher = new Dispatcher({ ...own, unknownStates, poll, crowd: shared.answersOf(lane, crowd) })
    return { dispatcher, unknownStates: unknownStates.run }
  })
  const dispatchers = parts.map(({ dispatcher }) => dispatcher)
  return {
    get lastClaim() {
      return dispatchers.reduce<number | undefined>(
        (last, { lastClaim }) => last === undefined || (lastClaim ?? last) > last ? lastClaim : last,
        undefined
      )
    },
    get lag() {
      return Math.max(...dispatchers.map(({ lag }) => lag))
    },
    run: Effect.forEach(dispatchers, ({ run }) => run, { concurrency: "unbounded", discard: true }),
    unknownStates: parts.map(({ unknownStates }) => unknownStates)
  }
}
