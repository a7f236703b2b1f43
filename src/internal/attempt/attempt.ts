/** Runs one attempt of a step: decode, handler, outcome. Never fails: whatever goes wrong is an outcome, too. */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { CurrentLogAnnotations } from "effect/References"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { SqlClient } from "effect/sql/SqlClient"
import { isNextStep, type Move, type NextStep } from "../../NextStep.ts"
import * as RetryPolicy from "../../RetryPolicy.ts"
import * as Step from "../../Step.ts"
import { annotationsOf, type Attempt, type ClaimedTask, wasStopped } from "./claimedTask.ts"
import type { StepDefinition } from "../definition/step.ts"
import { movingChildren } from "./children.ts"
import { formatCause, toPostgresText } from "./causeText.ts"
import type { ToHistory } from "./history.ts"
import { endingOf, type MoveOutcome, type Outcome } from "./outcome.ts"
import { reportCancelled, reportLost } from "./log.ts"
import { limitOfState } from "../definition/limit.ts"
import { hasLooked, inputOf } from "../definition/retry.ts"
import { type Decoded, DecodeError, readStep } from "../definition/codec.ts"
import type { TaskDefinition } from "../definition/task.ts"
import { clampMillis, toTimestamp } from "../sql/time.ts"
import { type Event, nextEvent, type Restore, toArriving } from "./waiting.ts"
import { parentSpan } from "../enqueue/trace.ts"
import { type LimitDoor, withSlot } from "./limit.ts"
import { isLeaseLost, storeTogether, type TransactionLimit } from "./transaction.ts"

export interface Runner {
  readonly sql: SqlClient
  readonly limitTransactions: TransactionLimit
  readonly tasks: ReadonlyMap<string, TaskDefinition>
  /** In milliseconds. */
  readonly lease: number
  /** Whether the task of an attempt that was refused has been cancelled. */
  readonly isCancelled: (claimed: ClaimedTask) => Effect.Effect<boolean>
  readonly toHistory: ToHistory | undefined
  /** Whether no step of a task may begin. Default: any may, as in tests. */
  readonly isPaused?: (task: string) => boolean
  /** Where the row of a limited state asks whether its step may begin. Default: limits don't hold, as in tests. */
  readonly door?: LimitDoor
  /** Spans are made only where somebody reads them. */
  readonly traced: boolean
  /** Whether debug messages are logged at all. */
  readonly debug: boolean
}

interface Running extends Decoded {
  readonly task: TaskDefinition
  /** What has happened in its state, if that waits. */
  readonly event: Event | undefined
  /** What the step's own code has failed with, the last time it ran. */
  own: Cause.Cause<unknown> | undefined
}

type AnyNextStep = NextStep<unknown, unknown>

const decode = (runner: Runner, claimed: ClaimedTask): Effect.Effect<Decoded, DecodeError> => {
  const parsed = readStep(claimed.step)
  if (parsed instanceof DecodeError) return parsed
  const task = runner.tasks.get(parsed.task)
  claimed.task = parsed.task
  claimed.tag = parsed.tag
  return task?.codec.decode(parsed) ??
    new DecodeError({ message: `no worker knows the task "${parsed.task}" by this spelling of its name` })
}

const invalid = (step: StepDefinition, what: string) =>
  Effect.die(new TypeError(`the handler of step "${step.tag}" ${what}`))

/** Not by `Effect.onError`, which makes what follows a failure uninterruptible, at a price for each attempt. */
const noting = <A>(running: Running, effect: Effect.Effect<A, unknown>): Effect.Effect<A, unknown> =>
  Effect.catchCause(effect, (cause) => {
    running.own = cause
    return Effect.failCause(cause)
  })

/** Callers in plain JavaScript may return anything. */
const callHandler = (running: Running): Effect.Effect<AnyNextStep, unknown> =>
  Effect.suspend(() => {
    const { state, step } = running
    const effect: unknown = step.handler(state)
    if (!Effect.isEffect(effect)) return invalid(step, "must return an Effect")
    return Effect.flatMap(noting(running, effect as Effect.Effect<unknown, unknown>), (value) =>
      isNextStep(value)
        ? Effect.succeed(value as AnyNextStep)
        : invalid(step, "must succeed with a NextStep: NextStep.none, now, delay or at"))
  })

const whenOf = (move: Move): { readonly delay?: number; readonly at?: string } =>
  move._tag === "Delay"
    ? { delay: clampMillis(Duration.toMillis(move.duration)) }
    : move._tag === "At"
    ? { at: toTimestamp(move.dateTime) }
    : {}

const toOutcome = (
  claimed: ClaimedTask,
  { step, task }: Running,
  move: Move
): Effect.Effect<MoveOutcome, unknown> => {
  if (move._tag === "None") return Effect.succeed({ _tag: "Finished" })
  if (!step.nextTags.includes(move.state?._tag)) {
    return invalid(step, `moved to "${move.state?._tag}", which is not in its \`next\``)
  }
  const waiting = task.waits.get(move.state._tag)
  return Effect.map(task.codec.encode(move.state), (text): MoveOutcome => {
    if (waiting !== undefined) {
      const waits = toArriving(claimed, waiting, move.state)
      return { step: text, ...whenOf(move), ...waits }
    }
    const limit = task.limits?.get(move.state._tag)
    switch (move._tag) {
      case "Now":
        return limit === undefined
          ? continuedOrEnded(task.keeps?.get(move.state._tag), text)
          : { _tag: "Continued", step: text, limit: limitOfState(limit, move.state) }
      case "Delay":
      case "At":
        return { _tag: "Rescheduled", step: text, limit: limit && limitOfState(limit, move.state), ...whenOf(move) }
    }
  })
}

const continuedOrEnded = (keep: Duration.Duration | undefined, step: string): MoveOutcome =>
  keep === undefined
    ? { _tag: "Continued", step }
    : { _tag: "Finished", step, keep: clampMillis(Duration.toMillis(keep)) }

/**
 * A crash of the server may undo an asynchronous commit. So no step without `asyncCommit` begins before the move to it
 * is on the disk: it may call the outside world, and its idempotency key must not come again with another state.
 */
const allowAsync = ({ step, task }: Running, move: Move, outcome: MoveOutcome): MoveOutcome =>
  step.asyncCommit && outcome._tag !== "Waiting"
    && (move._tag === "None" || task.steps.find(({ tag }) => tag === move.state._tag)?.asyncCommit === true)
    ? { asyncCommit: true, ...outcome }
    : outcome

/** Ends a row that was inserted in a final state, or has moved there with a delay. A former one becomes that of today. */
const endAtOnce = (
  { claimed }: Attempt,
  { state, task }: Running,
  keep: Duration.Duration
): Effect.Effect<Outcome, unknown> =>
  Effect.map(
    claimed.former === undefined ? Effect.succeed(claimed.step!) : task.codec.encode(state),
    (step) => continuedOrEnded(keep, step)
  )

const perform = (runner: Runner, attempt: Attempt, running: Running): Effect.Effect<Outcome, unknown> => {
  const { keep } = running.step
  if (keep !== undefined) return endAtOnce(attempt, running, keep)
  const handled = Effect.flatMap(
    callHandler(running),
    (next) =>
      Effect.map(toOutcome(attempt.claimed, running, next.move), (outcome) => ({
        outcome: allowAsync(running, next.move, outcome),
        commit: next.commit && noting(running, next.commit),
        children: movingChildren(runner.sql, attempt.claimed, running.state, { move: next.move, outcome })
      }))
  )
  if (running.step.transactional) return storeTogether(runner, attempt, handled)
  return Effect.flatMap(handled, (result) =>
    result.commit === undefined && result.children === undefined
      ? Effect.succeed(result.outcome)
      : storeTogether(runner, attempt, Effect.succeed(result)))
}

/** A failure's outcome: the retry policy decides, at the position that the row remembers. */
const failed = (claimed: ClaimedTask, { own, step }: Running, cause: Cause.Cause<unknown>): Effect.Effect<Outcome> =>
  RetryPolicy.nextDelay(step.retry, { tried: claimed.tried, error: inputOf(cause, own) }).pipe(
    Effect.map((delay): Outcome =>
      Option.isSome(delay)
        ? { _tag: "Retried", delay: clampMillis(Duration.toMillis(delay.value)), error: formatCause(cause), cause }
        : { _tag: "Parked", error: formatCause(cause), cause }
    ),
    Effect.catchCause((policyCause) =>
      Effect.succeed<Outcome>({
        _tag: "Parked",
        error: hasLooked(policyCause)
          ? formatCause(cause)
          : toPostgresText(`${formatCause(cause)}\nand its retry schedule failed: ${formatCause(policyCause)}`),
        cause
      })
    )
  )

interface Concluded {
  readonly exit: Exit.Exit<Outcome, unknown>
  readonly outcome: Outcome
}

/** The transaction of a step found that the row is no longer the attempt's. */
const refused = (runner: Runner, attempt: Attempt): Effect.Effect<Outcome> =>
  Effect.flatMap(runner.isCancelled(attempt.claimed), (cancelled) => {
    attempt.stop = cancelled ? "Cancelled" : "Lost"
    return Effect.as(cancelled ? Effect.void : reportLost(attempt.claimed), { _tag: "Released" })
  })

const conclude = (
  runner: Runner,
  attempt: Attempt,
  running: Running,
  exit: Exit.Exit<Outcome, unknown>
): Effect.Effect<Outcome> => {
  if (Exit.isSuccess(exit)) return Effect.succeed(exit.value)
  if (isLeaseLost(exit.cause)) return refused(runner, attempt)
  const { claimed, committed } = attempt
  return wasStopped(attempt, exit.cause)
    ? Effect.succeed(committed === undefined ? { _tag: "Released" } : { _tag: "Stored", outcome: committed })
    : failed(claimed, running, exit.cause)
}

/** Continues the trace of whoever enqueued the task. The span ends as the step did, and names the outcome. */
const inSpan = (
  attempt: Attempt,
  { event, step, task }: Running,
  concluded: Effect.Effect<Concluded>
): Effect.Effect<Concluded> => {
  const { claimed } = attempt
  const parent = parentSpan(claimed.trace)
  const sender = parentSpan(event?.trace ?? null)
  let result: Concluded | undefined
  const ended = Effect.flatMap(concluded, (conclusion) => {
    result = conclusion
    const ending = endingOf(attempt.stop, conclusion.outcome)
    return Effect.andThen(Effect.annotateCurrentSpan("pg_task.outcome", ending), conclusion.exit)
  })
  const spanned = Effect.withSpan(ended, `${task.name}.${step.tag}`, {
    kind: "consumer",
    ...(parent === undefined ? { root: true } : { parent }),
    ...(sender && { links: [{ span: sender, attributes: { "pg_task.link": "signal" } }] }),
    attributes: {
      ...(event && { "pg_task.signal": event.tag }),
      "pg_task.id": claimed.id,
      "pg_task.task": task.name,
      "pg_task.step": step.tag,
      ...(claimed.former === undefined ? undefined : { "pg_task.former": claimed.former }),
      "pg_task.attempt": claimed.tried + 1,
      "pg_task.wait_ms": claimed.waited
    }
  })
  return Effect.map(Effect.exit(spanned), () => result!)
}

/**
 * Adds to an object what it has not. Here and wherever an attempt passes, nothing is added to an object after it was
 * spread: V8 takes tens of times as long for `{ ...a, b }` as for `{ b, ...a }`.
 */
const addMissing = (
  own: Record<string, unknown>,
  others: Readonly<Record<string, unknown>>
): Readonly<Record<string, unknown>> => {
  for (const key in others) if (!Object.hasOwn(own, key)) own[key] = others[key]
  return own
}

const withServices = (
  claimed: ClaimedTask,
  { event, step, task }: Running,
  effect: Effect.Effect<Outcome, unknown>
): Effect.Effect<Outcome, unknown> => {
  const annotations = { task: task.name, step: step.tag, id: claimed.id, attempt: claimed.tried + 1 }
  const what = event === undefined ? "" : `:${event.tag}`
  const stepContext = { idempotencyKey: `${claimed.id}:${claimed.transitions}${what}`, ...annotations }
  // One change of the context in place of three.
  return Effect.scopedWith((scope) =>
    Effect.updateContext(effect, (context: Context.Context<never>) =>
      context.pipe(
        Context.add(Step.Context, stepContext),
        Context.add(Scope.Scope, scope),
        Context.add(CurrentLogAnnotations, addMissing(annotations, Context.get(context, CurrentLogAnnotations)))
      ))
  )
}

const run = (runner: Runner, attempt: Attempt, restore: Restore): Effect.Effect<Outcome> => {
  const decoded = decode(runner, attempt.claimed)
  return Exit.isExit(decoded)
    ? runExit(runner, attempt, decoded as Exit.Exit<Decoded, DecodeError>, restore)
    : Effect.flatMap(Effect.exit(restore(decoded)), (exit) => runExit(runner, attempt, exit, restore))
}

const runExit = (
  runner: Runner,
  attempt: Attempt,
  decoded: Exit.Exit<Decoded, DecodeError>,
  restore: Restore
): Effect.Effect<Outcome> => {
  if (Exit.isFailure(decoded)) {
    return Effect.succeed(
      wasStopped(attempt, decoded.cause)
        ? { _tag: "Released" }
        : { _tag: "Rejected", error: formatCause(decoded.cause) }
    )
  }
  const { former, state, step } = decoded.value
  const { claimed } = attempt
  const task = runner.tasks.get(claimed.task!)!
  if (former !== undefined) Object.assign(claimed, { tag: step.tag, former })
  if (runner.isPaused?.(task.name) === true) return Effect.succeed({ _tag: "Released" })
  const running = { step, state, task, event: undefined, own: undefined }
  if (step.limit !== undefined && runner.door !== undefined) {
    const limited = { door: runner.door, limit: step.limit, state, restore }
    return withSlot(attempt, limited, runDecoded(runner, attempt, running, restore))
  }
  if (step.on === undefined) return runDecoded(runner, attempt, running, restore)
  return Effect.flatMap(nextEvent(runner.sql, attempt, decoded.value, restore), (event) =>
    event._tag === "Event"
      ? runDecoded(runner, attempt, { ...running, step: event.step, event }, restore)
      : Effect.succeed(event))
}

const runDecoded = (
  runner: Runner,
  attempt: Attempt,
  running: Running,
  restore: Restore
): Effect.Effect<Outcome> => {
  const { claimed } = attempt
  const performed = restore(withServices(claimed, running, perform(runner, attempt, running)))
  const concluded = Effect.flatMap(
    Effect.exit(performed),
    (exit) => Effect.map(conclude(runner, attempt, running, exit), (outcome) => ({ exit, outcome }))
  )
  const ended = Effect.map(runner.traced ? inSpan(attempt, running, concluded) : concluded, ({ outcome }) => outcome)
  return runner.debug
    ? Effect.andThen(Effect.annotateLogs(Effect.logDebug("Attempt started"), annotationsOf(claimed)), ended)
    : ended
}

/**
 * The whole attempt. Interruptible while user code runs; the outcome is always worked out, and noted in the attempt, too:
 * the exit of a fiber that was interrupted from inside doesn't tell it.
 */
export const runAttempt = (runner: Runner, attempt: Attempt): Effect.Effect<Outcome> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(run(runner, attempt, restore), (outcome) => {
      attempt.outcome = outcome
      const { claimed, stop } = attempt
      const isCancelled = stop === "Cancelled" && outcome._tag !== "Stored"
      return isCancelled ? Effect.as(reportCancelled(claimed), outcome) : Effect.succeed(outcome)
    })
  )

/** Whether anything but Effect's default tracer, which exports nothing, would see our spans. */
export const isTraced: Effect.Effect<boolean> = Effect.contextWith((context) =>
  Effect.succeed(context.mapUnsafe.has(Tracer.Tracer.key))
)
