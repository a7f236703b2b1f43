/** What an attempt does in a waiting state: with the first signal that fits, with the end of the time, or nothing. */
import * as Effect from "effect/Effect"
import { isObject } from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Tagged } from "../../NextStep.ts"
import { type Decoded, DecodeError } from "../definition/codec.ts"
import { makeSignalDecode } from "../definition/signalCodec.ts"
import type { StateSchema } from "../definition/state.ts"
import type { BranchDefinition, StepDefinition } from "../definition/step.ts"
import { childrenIn, isNewChild } from "../definition/child.ts"
import { deadlineOf, joinOf, timeoutTag } from "../definition/wait.ts"
import { readInbox } from "../sql/signals.ts"
import type { WaitFacts } from "../sql/waits.ts"
import { formatCause } from "./causeText.ts"
import { type Attempt, type ClaimedTask, wasStopped } from "./claimedTask.ts"
import { joinedChildren } from "./children.ts"
import type { RowOutcome, Waiting } from "./outcome.ts"

/** A signal as the row has it. People may write into rows, too: so nothing is certain. */
interface InboxSignal {
  readonly tag: unknown
  readonly value?: unknown
  readonly trace?: unknown
}

/** What happens in a waiting state. */
export interface Event {
  readonly _tag: "Event"
  /** The waiting step with the handler, the retries and the rest of what happens. */
  readonly step: StepDefinition
  /** A signal's tag, or `$timeout`. */
  readonly tag: string
  /** The trace of whoever sent the signal. */
  readonly trace: string | null
}

export const waitFactsOf = ({ facts }: ClaimedTask): WaitFacts => facts === null ? {} : JSON.parse(facts)

/** Moves a row into a waiting state, or has it wait again. Throws what the user's timeout function throws. */
export const toWaiting = (claimed: ClaimedTask, { on = [] }: StepDefinition, state: Tagged): Waiting => ({
  _tag: "Waiting",
  waits: on.map(({ tag }) => tag).filter((tag) => tag !== timeoutTag),
  deadline: deadlineOf(on, state),
  wakes: waitFactsOf(claimed).wakes ?? 0
})

/** No row has it: so one that arrives with it is due at once. */
const noWakes = -1

/**
 * The same for a row that arrives in the state. If that waits for children, and none of them is new, they may have
 * ended long ago, or there are none: then it is due at once, and whoever claims it looks.
 */
export const toArriving = (claimed: ClaimedTask, step: StepDefinition, state: Tagged): Waiting => {
  const waiting = toWaiting(claimed, step, state)
  return joinOf(step) !== undefined && !childrenIn(state).some(isNewChild) ? { ...waiting, wakes: noWakes } : waiting
}

const signalsIn = (inbox: unknown): ReadonlyArray<InboxSignal> | DecodeError => {
  const signals: unknown = isObject(inbox) && "signals" in inbox ? inbox.signals : []
  return Array.isArray(signals) && signals.every((signal) => isObject(signal))
    ? signals as unknown as ReadonlyArray<InboxSignal>
    : new DecodeError({ message: "inbox must have the shape {\"signals\": [{\"tag\": …, \"value\": {…}}]}" })
}

const decoders = new WeakMap<StateSchema, ReturnType<typeof makeSignalDecode>>()

/** Made once for each signal, not once for each attempt. */
const decoderOf = (signal: StateSchema, tag: string) => {
  const found = decoders.get(signal)
  if (found !== undefined) return found
  const decode = makeSignalDecode(signal, tag)
  decoders.set(signal, decode)
  return decode
}

const backoff = Schedule.min([Schedule.exponential("50 millis", 2), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)

/** The signals of the row, as they were when it was claimed, or later. */
const inboxOf = (sql: SqlClient, claimed: ClaimedTask, facts: WaitFacts): Effect.Effect<unknown> =>
  facts.longInbox !== true
    ? Effect.succeed(facts.inbox)
    // The database may be away: that is no failure of the step.
    : readInbox(sql, claimed).pipe(
      Effect.map((text): unknown => text && JSON.parse(text)),
      Effect.withTracerEnabled(false),
      Effect.retry(backoff),
      Effect.orDie
    )

/** The step, with what one thing that it waits for does. Written out: see `addMissing` in attempt.ts. */
const withBranch = (
  { from, on, state, tag }: StepDefinition,
  branch: BranchDefinition,
  input: unknown
): StepDefinition => ({
  tag,
  state,
  from,
  keep: undefined,
  limit: undefined,
  next: branch.next,
  nextTags: branch.nextTags,
  retryLimit: branch.retryLimit,
  retryDelay: branch.retryDelay,
  retry: branch.retry,
  transactional: branch.transactional,
  asyncCommit: branch.asyncCommit,
  handler: (state) => branch.handler(state, input),
  ...(on && { on })
})

/** The place of the first signal that the state waits for, and what happens then. */
const firstFit = (on: ReadonlyArray<BranchDefinition>, signals: ReadonlyArray<InboxSignal>) => {
  for (const [place, signal] of signals.entries()) {
    const branch = on.find((branch) => branch.signal !== undefined && branch.tag === signal.tag)
    if (branch !== undefined) return { place, signal, branch, schema: branch.signal! }
  }
  return undefined
}

/** What to do about a signal that can't be read. */
const repairOf = (place: number): string =>
  `Correct it, or take it out, in the column "inbox" at {signals,${place}}, and clear this error`

/** All children have ended, or undefined. */
const findJoined = Effect.fnUntraced(function*(
  sql: SqlClient,
  claimed: ClaimedTask,
  step: StepDefinition,
  state: Tagged
): Effect.fn.Return<Event | undefined> {
  const branch = joinOf(step)
  const results = branch && (yield* joinedChildren(sql, state, branch.tag))
  if (branch === undefined || results === undefined) return undefined
  claimed.wait = { taken: undefined, event: branch.tag }
  const handler: BranchDefinition["handler"] = (state) =>
    Effect.flatMap(results, (results) => branch.handler(state, results))
  return { _tag: "Event", step: withBranch(step, { ...branch, handler }, undefined), tag: branch.tag, trace: null }
})

/** Something has happened, or undefined. Notes in the row which signal is taken. */
const findEvent = Effect.fnUntraced(function*(
  sql: SqlClient,
  claimed: ClaimedTask,
  { state, step }: Decoded
): Effect.fn.Return<Event | undefined, DecodeError> {
  const { on = [] } = step
  const facts = waitFactsOf(claimed)
  claimed.wait = { taken: undefined }
  const signals = signalsIn(yield* inboxOf(sql, claimed, facts))
  if (signals instanceof DecodeError) return yield* signals
  const fit = firstFit(on, signals)
  if (fit !== undefined) {
    const { branch, place, schema, signal } = fit
    const input = yield* Effect.mapError(
      decoderOf(schema, branch.tag)(signal.value),
      ({ message }) => new DecodeError({ message: `${message}\n${repairOf(place)}` })
    )
    claimed.wait = { taken: place, event: branch.tag }
    const trace = typeof signal.trace === "string" ? signal.trace : null
    return { _tag: "Event", step: withBranch(step, branch, input), tag: branch.tag, trace }
  }
  const joined = yield* findJoined(sql, claimed, step, state)
  if (joined !== undefined) return joined
  const timeout = facts.timedOut === true ? on.find(({ tag }) => tag === timeoutTag) : undefined
  if (timeout !== undefined) claimed.wait = { taken: undefined, event: timeoutTag }
  return timeout && { _tag: "Event", step: withBranch(step, timeout, undefined), tag: timeoutTag, trace: null }
})

export type Restore = <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>

/**
 * What happens now in the waiting state of a claimed row. A signal that is there goes before the end of the time. If
 * there is nothing, the row was woken for nothing, or it has never waited: then it waits from now on.
 */
export const nextEvent = (
  sql: SqlClient,
  attempt: Attempt,
  decoded: Decoded,
  restore: Restore
): Effect.Effect<Event | RowOutcome> => {
  const { claimed } = attempt
  const { state, step } = decoded
  return restore(findEvent(sql, claimed, decoded)).pipe(
    Effect.mapError(({ message }) => new DecodeError({ message: `${claimed.task}: ${message}` })),
    Effect.catchCause((cause) =>
      Effect.succeed<RowOutcome>(
        wasStopped(attempt, cause)
          ? { _tag: "Released" }
          : { _tag: "Rejected", error: formatCause(cause) }
      )
    ),
    Effect.flatMap((event) =>
      event !== undefined ? Effect.succeed(event) : Effect.catchCause(
        Effect.sync((): RowOutcome => toWaiting(claimed, step, state)),
        (cause) => Effect.succeed<RowOutcome>({ _tag: "Parked", error: formatCause(cause), cause })
      )
    )
  )
}
