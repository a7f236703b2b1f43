/**
 * A task: a named finite-state machine, the union of its steps' states. One row of `pg_task` is one task.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import type { SqlClient } from "effect/sql/SqlClient"
import { makeChildSchema } from "./internal/definition/child.ts"
import type { Child, ChildOf, ChildSchema, Forward, Results, Settled } from "./internal/definition/childTypes.ts"
import { declareTask } from "./internal/definition/declaration.ts"
import type {
  CheckEnqueue,
  EnqueueAllOptions,
  Enqueued,
  EnqueuedWith,
  EnqueuedWithKey,
  EnqueueOptions,
  KeyError,
  KeyOptions,
  KeysError,
  OneOfDueOptions,
  OnConflict
} from "./internal/definition/enqueueTypes.ts"
import type {
  CheckFinality,
  CheckFinals,
  FinalityOf,
  FinalOf,
  NotFinalOf,
  Tagged,
  TwiceDeclared
} from "./internal/definition/finalTypes.ts"
import type { CheckFormers } from "./internal/definition/former.ts"
import type { DeclaredError, NextError } from "./internal/definition/stepErrors.ts"
import type { CheckSignal, SignalsOf, UndeclaredSignal } from "./internal/definition/signalTypes.ts"
import { makeTask } from "./internal/definition/task.ts"
import type { Duplicates, SchemaTag, StateSchema } from "./internal/definition/state.ts"
import type * as Step from "./Step.ts"
import type { Tagged as AnyState } from "./NextStep.ts"
import type { AwaitError, EnqueueError, ExecuteError, PeekError, SignalError } from "./TaskError.ts"
import type { TaskId } from "./TaskId.ts"

/**
 * The type id of every `Task`.
 *
 * @category type ids
 * @since 0.1.0
 */
export const TypeId: TypeId = "~effect-pg-task/Task"

/**
 * The type of {@link TypeId}.
 *
 * @category type ids
 * @since 0.1.0
 */
export type TypeId = "~effect-pg-task/Task"

/**
 * The type id of every `Declaration`, and so of every `Task`.
 *
 * @category type ids
 * @since 0.1.0
 */
export const DeclarationTypeId: DeclarationTypeId = "~effect-pg-task/Declaration"

/**
 * The type of {@link DeclarationTypeId}.
 *
 * @category type ids
 * @since 0.1.0
 */
export type DeclarationTypeId = "~effect-pg-task/Declaration"

/**
 * What programs need that only enqueue a task: its name, its states, and the states in which it may begin. It has no
 * handlers.
 *
 * Every method stores with one statement, through the `SqlClient` of its context: inside `sql.withTransaction` it is
 * part of that transaction. A method fails with `TaskInvalidStateError` if the schema can't encode the state, with
 * `TaskOptionsError` if the options make no sense, and with `TaskTableError` if the table is missing. Then nothing was
 * stored.
 *
 * @category models
 * @since 0.1.0
 */
export interface Declaration<
  in out Name extends string,
  out States extends StateSchema,
  in out Entry extends StateSchema = States,
  in out Finals extends StateSchema = never,
  in out Signals extends StateSchema = never
> {
  readonly [DeclarationTypeId]: DeclarationTypeId
  /** The name, stored with every row of this task. */
  readonly name: Name
  /** The schemas of its states, the final ones too. */
  readonly states: ReadonlyArray<States>
  /** The schemas of the states in which it may begin. */
  readonly entry: ReadonlyArray<Entry>
  /** The schemas of its final states. */
  readonly finals: ReadonlyArray<Finals>
  /** The schemas of the signals that its states wait for. */
  readonly signals: ReadonlyArray<Signals>
  /**
   * Stores a task, and returns its id. It is due at once, or when the options say.
   *
   * With a `key` it returns `{ id, created, status }`: of the new task, or, if the key is taken, of the task that has
   * it. With `onConflict: "fail"` it fails with `TaskKeyTakenError` then.
   */
  readonly enqueue: <const S extends States["Type"], O extends EnqueueOptions = {}>(
    state: S & CheckEntryState<Name, Entry, S>,
    options?: O & CheckEnqueue<O>
  ) => Effect.Effect<EnqueuedWith<O>, EnqueueError | KeyError<O>, SqlClient | EncodingServices<States, S>>
  /** Stores a task that becomes due `duration` from now: short for `enqueue(state, { delay: duration })`. */
  readonly delay: <const S extends States["Type"], O extends KeyOptions = {}>(
    state: S & CheckEntryState<Name, Entry, S>,
    duration: Duration.Input,
    options?: O & CheckEnqueue<O>
  ) => Effect.Effect<EnqueuedWith<O>, EnqueueError | KeyError<O>, SqlClient | EncodingServices<States, S>>
  /** Stores a task that becomes due at `dateTime`: short for `enqueue(state, { at: dateTime })`. */
  readonly schedule: <const S extends States["Type"], O extends KeyOptions = {}>(
    state: S & CheckEntryState<Name, Entry, S>,
    dateTime: DateTime.DateTime,
    options?: O & CheckEnqueue<O>
  ) => Effect.Effect<EnqueuedWith<O>, EnqueueError | KeyError<O>, SqlClient | EncodingServices<States, S>>
  /**
   * Stores many tasks, all of them or none, and returns their ids in the order of `states`. The options apply to all of
   * them; `key` makes a key of each state. Without keys it is one statement, with keys a transaction of a few.
   */
  readonly enqueueAll: <
    const S extends States["Type"],
    const Key extends string = never,
    const Conflict extends OnConflict = "keep"
  >(
    states: Iterable<S & CheckEntryState<Name, Entry, S>>,
    options?: EnqueueAllOptions<NoInfer<S>, Key, Conflict>
  ) => Effect.Effect<
    ReadonlyArray<EnqueuedWithKey<Key>>,
    EnqueueError | KeysError<Key, Conflict>,
    SqlClient | EncodingServices<States, S>
  >
  /**
   * Stores a task, waits until it has ended in a final state, and returns that state. It fails with a `TaskParkedError`
   * if the task is parked, and with a `TaskNotFoundError` if it ends without a final state or is cancelled. If the
   * caller is interrupted, the task goes on.
   *
   * It waits for as long as it takes: give it an `Effect.timeout`. Within a transaction it fails with a
   * `TaskTransactionError`. In a step it keeps the step's slot for all that time: a task that executes another one of
   * its own worker may wait for a slot that it holds itself.
   */
  readonly execute: [Finals] extends [never] ? NoFinalState : <const S extends States["Type"]>(
    state: S & CheckEntryState<Name, Entry, S>,
    options?: ExecuteOptions
  ) => Effect.Effect<
    Finals["Type"],
    ExecuteError,
    SqlClient | EncodingServices<States, S> | Finals["DecodingServices"]
  >
  /**
   * Waits until a task has ended in a final state, and returns that state: at once if it has ended before. It fails
   * as `execute` does, and with a `TaskInvalidStateError` if it is a task of another name.
   */
  readonly await: [Finals] extends [never] ? NoFinalState : (
    id: TaskId,
    options?: AwaitOptions
  ) => Effect.Effect<Finals["Type"], AwaitError, SqlClient | Finals["DecodingServices"]>
  /** The state in which a task is now: also a final one, for as long as it is kept. */
  readonly peek: (
    id: TaskId
  ) => Effect.Effect<States["Type"], PeekError, SqlClient | States["DecodingServices"]>
  /**
   * A child that is to begin in `state`, for a field that was made with {@link child}. It is stored in one transaction
   * with the state that a step moves to and that holds it.
   */
  readonly child: (state: Entry["Type"]) => Child<Name, Finals["Type"]>
  /**
   * Sends a signal to a task, with one statement. If the task waits for it, the task becomes due. If not, the signal is
   * kept until a state is reached that waits for it. A row keeps 1,000 signals or 1 MB at most: then it fails with
   * `TaskInboxFullError`. It fails with `TaskNotFoundError` if there is no such task (any more).
   */
  readonly signal: <const S extends AnyState>(
    id: TaskId,
    signal: S & CheckSignal<Name, Signals, S>,
    options?: SignalOptions
  ) => Effect.Effect<void, SignalError, SqlClient | EncodingServices<Signals, S>>
  /** The same for the task that has this key. */
  readonly signalByKey: <const S extends AnyState>(
    key: string,
    signal: S & CheckSignal<Name, Signals, S>,
    options?: SignalOptions
  ) => Effect.Effect<void, SignalError, SqlClient | EncodingServices<Signals, S>>
  /**
   * The same, but if no task has this key, or the one that has it has ended, a new task is stored with the key, the state
   * and the signal, in one transaction. `created` says whether it was.
   */
  readonly signalOrEnqueue: <const S extends AnyState, const St extends States["Type"]>(
    key: string,
    signal: S & CheckSignal<Name, Signals, S>,
    state: St & CheckEntryState<Name, Entry, St>,
    options?: SignalOptions
  ) => Effect.Effect<
    { readonly created: boolean },
    SignalError | EnqueueError,
    SqlClient | EncodingServices<Signals, S> | EncodingServices<States, St>
  >
}

/** What stands in place of `execute` and `await` where they would never end. */
type NoFinalState = (
  state: "this task has no final state to wait for: add one, made with Step.final"
) => Effect.Effect<never>

/**
 * A task with the given name, whose steps are `Steps`, and that may begin in the states of `Entry`. It is a
 * {@link Declaration} that a worker can run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Task<
  in out Name extends string,
  out Steps extends Step.Any,
  in out Entry extends StateSchema = NotFinalOf<Steps>
> extends Declaration<Name, Steps["state"], Entry, FinalOf<Steps>, SignalsOf<Steps>> {
  readonly [TypeId]: TypeId
  /** The steps. */
  readonly steps: ReadonlyArray<Steps>
  /** Its priority: see {@link MakeOptions}. */
  readonly priority: Priority
}

/**
 * Any declaration, or any task, for constraints.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnyDeclaration<out R = unknown> {
  readonly [DeclarationTypeId]: DeclarationTypeId
  readonly name: string
  readonly states: ReadonlyArray<StateSchema<R>>
  readonly entry: ReadonlyArray<StateSchema<R>>
  readonly finals: ReadonlyArray<StateSchema<R>>
  readonly signals: ReadonlyArray<StateSchema>
}

/**
 * Any task, for constraints. The services that an `Array<Task.Any>` needs are not known. To make a worker of such an
 * array, say which services its tasks may need: `Array<Task.Any<Mailer | Files>>`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any<out R = unknown> extends AnyDeclaration<R> {
  readonly [TypeId]: TypeId
  readonly steps: ReadonlyArray<Step.Any<R>>
  readonly priority: Priority
}

/**
 * Tasks of a higher priority come first, in each worker that runs both. See {@link MakeOptions}.
 *
 * @category models
 * @since 0.1.0
 */
export type Priority = "high" | "normal" | "low"

export type {
  /**
   * What {@link Declaration} `enqueueAll` takes: when the tasks become due, and their keys.
   *
   * @category options
   * @since 0.1.0
   */
  EnqueueAllOptions,
  /**
   * The task that has a key: what `enqueue` and its kin return if a key is given.
   *
   * @category models
   * @since 0.1.0
   */
  Enqueued,
  /**
   * What {@link Declaration} `enqueue` takes: when the task becomes due, and its key.
   *
   * @category options
   * @since 0.1.0
   */
  EnqueueOptions,
  /**
   * A key, which only one row of a task can have, and what happens if it is taken.
   *
   * @category options
   * @since 0.1.0
   */
  KeyOptions,
  /**
   * What happens if a key is taken.
   *
   * @category options
   * @since 0.1.0
   */
  OnConflict
}

/**
 * Options of `await`.
 *
 * @category options
 * @since 0.1.0
 */
export interface AwaitOptions {
  /**
   * What to do while the task is parked: `"fail"` with a `TaskParkedError`, or `"wait"` until somebody has retried it.
   * Default `"fail"`.
   */
  readonly onParked?: "fail" | "wait" | undefined
}

/**
 * Options of `execute`: when the task becomes due, its key, and how to wait for it. All who execute with one key share
 * one task, and its result, for as long as its row is there.
 *
 * @category options
 * @since 0.1.0
 */
export type ExecuteOptions = OneOfDueOptions & Pick<KeyOptions, "key"> & AwaitOptions

/**
 * Options of `signal`.
 *
 * @category options
 * @since 0.1.0
 */
export interface SignalOptions {
  /**
   * A key of the signal, such as the id of a webhook's delivery: a second signal with the same key changes nothing, and
   * is no error. A task remembers its last 100 keys. Up to 500 characters.
   */
  readonly dedupe?: string | undefined
}

/**
 * The union of a task's states.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { NextStep, Step, Task } from "effect-pg-task"
 *
 * class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}
 *
 * const Greeter = Task.make("Greeter", [
 *   Step.make(SayHello, { handler: () => Effect.succeed(NextStep.none) })
 * ])
 *
 * export const first: Task.State<typeof Greeter> = new SayHello({ name: "Ada" })
 * ```
 * @category utility types
 * @since 0.1.0
 */
export type State<T extends AnyDeclaration> = T["states"][number]["Type"]

/**
 * The union of the states in which a task may begin.
 *
 * @category utility types
 * @since 0.1.0
 */
export type EntryState<T extends AnyDeclaration> = T["entry"][number]["Type"]

/**
 * The union of a task's final states: what it comes to. `never` if it has none.
 *
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import { Task } from "effect-pg-task"
 *
 * class Add extends Schema.TaggedClass<Add>()("Add", { a: Schema.Number, b: Schema.Number }) {}
 * class Sum extends Schema.TaggedClass<Sum>()("Sum", { sum: Schema.Number }) {}
 *
 * const Adder = Task.declare("Adder", { states: [Add], final: [Sum] })
 *
 * export const three: Task.Result<typeof Adder> = new Sum({ sum: 3 })
 * ```
 * @category utility types
 * @since 0.1.0
 */
export type Result<T extends AnyDeclaration> = T["finals"][number]["Type"]

/**
 * The union of the signals that a task's states wait for.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Signal<T extends AnyDeclaration> = T["signals"][number]["Type"]

/**
 * The services that a worker needs to run a task.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Services<T extends Any> = Step.Services<T["steps"][number]>

/**
 * The errors with which the handlers of a task may fail.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Error<T extends Any> = Step.Error<T["steps"][number]>

/**
 * The services that are needed to enqueue the state `S` of a task: the database, and what the schema of that state
 * needs to encode it.
 *
 * @category utility types
 * @since 0.1.0
 */
export type EnqueueServices<T extends AnyDeclaration, S = State<T>> =
  | SqlClient
  | EncodingServices<T["states"][number], S>

/** The services that are needed to encode the state `S`: those of the schema in `States` that has its tag. */
type EncodingServices<States, S> = States extends StateSchema
  ? S extends { readonly _tag: infer T } ? [T & States["Type"]["_tag"]] extends [never] ? never
    : States["EncodingServices"]
  : never
  : never

/** A compile error that names the states in which a task may begin, or `unknown`. */
type CheckEntryState<Name extends string, Entry extends StateSchema, S> = [S] extends [Entry["Type"]] ? unknown
  : `a task "${Name}" may begin with "${SchemaTag<Entry>}": see its \`entry\``

type Tag<S> = S extends { readonly tag: infer T extends string } ? T : never

type Nexts<S> = S extends { readonly next: ReadonlyArray<infer N> } ? N : never

/** Makes schemas comparable in both directions: a field that only one of them has would be lost. */
type Exact<S> = S extends unknown ? { readonly schema: (_: S) => S } : never

/** The tags of those of `Schemas` that are not among `States`. */
type Unlisted<Schemas, States> = Exclude<Exact<Schemas>, Exact<States>> extends infer W
  ? W extends { readonly schema: (_: never) => infer S } ? SchemaTag<S> : never
  : never

/** Compile errors that name what is wrong with the steps of a task, each at its step, or `unknown`. One at a time. */
type CheckSteps<Steps extends ReadonlyArray<Step.Any>, Declared, Finals, Signals> = Steps extends readonly [] ?
  "a task needs at least one step"
  : [NotFinalOf<Steps[number]>] extends [never] ? "a task needs a step that is not final"
  : [Duplicates<Steps, "tag">] extends [never]
    ? [CheckFormers<Steps>] extends [never]
      ? [Unlisted<Nexts<Steps[number]>, Steps[number]["state"]>] extends [never] ?
        CheckDeclared<Declared, Finals, Signals, Steps>
      : { readonly [I in keyof Steps]: CheckNext<Steps[I], Steps[number]> }
    : CheckFormers<Steps>
  : { readonly [I in keyof Steps]: Twice<Extract<Tag<Steps[I]>, Duplicates<Steps, "tag">>> }

type Twice<T extends string> = [T] extends [never] ? unknown : `two steps of this task have the state "${T}"`

type CheckNext<S, Steps extends Step.Any> = Unlisted<Nexts<S>, Steps["state"]> extends infer T extends string
  ? [T] extends [never] ? unknown : NextError<Tag<S>, Exclude<T, Tag<Steps>>, T>["message"]
  : never

/** Compile errors that name what differs between a declaration and the steps, or `unknown`. */
type CheckDeclared<States, Finals, Signals, Steps extends ReadonlyArray<Step.Any>> = [States] extends [never] ? unknown
  : [Exclude<SchemaTag<States>, Tag<Steps[number]>>] extends [never]
    ? [Unlisted<Steps[number]["state"], States>] extends [never]
      ? [FinalityOf<Steps[number], SchemaTag<Finals>>] extends [never] ? CheckSignals<Signals, Steps>
      : { readonly [I in keyof Steps]: CheckFinality<FinalityOf<Steps[I], SchemaTag<Finals>>> }
    : { readonly [I in keyof Steps]: CheckDeclaredStep<States, Steps[I]> }
  : `no step for the state "${Exclude<SchemaTag<States>, Tag<Steps[number]>>}", which is declared`

/** Compile errors that name what differs between declared signals and those that the steps wait for, or `unknown`. */
type CheckSignals<Signals, Steps extends ReadonlyArray<Step.Any>> =
  [Exclude<SchemaTag<Signals>, SchemaTag<SignalsOf<Steps[number]>>>] extends [never]
    ? [Unlisted<SignalsOf<Steps[number]>, Signals>] extends [never] ? unknown
    : { readonly [I in keyof Steps]: CheckSignalsOf<Signals, SignalsOf<Steps[I]>> }
    : `no step waits for the signal "${Exclude<
      SchemaTag<Signals>,
      SchemaTag<SignalsOf<Steps[number]>>
    >}", which is declared`

type CheckSignalsOf<Signals, Waited> = Unlisted<Waited, Signals> extends infer T extends string
  ? [T] extends [never] ? unknown : UndeclaredSignal<Extract<T, SchemaTag<Signals>>, T>
  : never

type CheckDeclaredStep<States, S> = S extends Step.Any
  ? Unlisted<S["state"], States> extends infer T extends string
    ? [T] extends [never] ? unknown : DeclaredError<Extract<T, SchemaTag<States>>, T>["message"]
  : never
  : never

/** Compile errors that name what is wrong with declared states, each at its state, or `unknown`. */
type CheckStates<States extends ReadonlyArray<StateSchema>> = States extends readonly []
  ? { readonly states: "a task needs at least one state" }
  : [Duplicates<Tagged<States>, "tag">] extends [never] ? unknown
  : {
    readonly states: {
      readonly [I in keyof States]: TwiceDeclared<Extract<SchemaTag<States[I]>, Duplicates<Tagged<States>, "tag">>>
    }
  }

/** Compile errors that name what is wrong with `entry`, each at its state, or `unknown`. */
type CheckEntry<Entry extends ReadonlyArray<StateSchema>, States, Finals> = Entry extends readonly []
  ? { readonly entry: "a task needs at least one state to begin with; without `entry` it may begin with any" }
  : [Unlisted<Entry[number], States>] extends [never] ? unknown
  : {
    readonly entry?:
      | {
        readonly [I in keyof Entry]: NoState<Unlisted<Entry[I], States>, SchemaTag<Finals>>
      }
      | undefined
  }

type NoState<T extends string, Final extends string> = [T] extends [never] ? unknown
  : [T] extends [Final] ? `"${T}" is a final state: no task begins there`
  : `"${T}" is no state of this task`

type CheckOptions<Declared, Entry extends ReadonlyArray<StateSchema>, Steps> = [Declared] extends [never]
  ? CheckEntry<Entry, NotFinalOf<Steps>, FinalOf<Steps>>
  : { readonly entry?: "this task is declared already: give `entry` to Task.declare" | undefined }

/**
 * Options of {@link declare}.
 *
 * @category options
 * @since 0.1.0
 */
export interface DeclareOptions<
  States extends ReadonlyArray<StateSchema>,
  Entry extends ReadonlyArray<StateSchema>,
  Finals extends ReadonlyArray<StateSchema> = readonly [],
  Signals extends ReadonlyArray<StateSchema> = readonly []
> extends Options<Entry> {
  /** The schemas of all states that it may be in, but for the final ones. */
  readonly states: States
  /** The schemas of its final states: see `Step.final`. Default: none. */
  readonly final?: Finals | undefined
  /** The schemas of all signals that its states wait for: see `Step.wait`. Default: none. */
  readonly signals?: Signals | undefined
}

/**
 * Options of {@link declare}, and of {@link make}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<Entry extends ReadonlyArray<StateSchema>> {
  /**
   * The states in which a task may begin: `enqueue` takes no others, and diagrams show them. Every state must be
   * reached from one of them. Default: any state that is not final.
   */
  readonly entry?: Entry | undefined
}

/**
 * Options of {@link make}.
 *
 * @category options
 * @since 0.1.0
 */
export interface MakeOptions<Entry extends ReadonlyArray<StateSchema>> extends Options<Entry> {
  /**
   * Keep a history of this task's attempts for this long: each attempt that ends writes a row into the table
   * `pg_task_history`, with the same statement that stores its outcome. See `Admin.history`. An infinite duration keeps
   * it for ever. Default: no history. A positive duration.
   */
  readonly history?: Duration.Input | undefined
  /**
   * Tasks of a higher priority come first, in each worker that runs tasks of both: whatever was due earlier, and also
   * before rows that the worker has claimed ahead. Of eight tasks that begin, at least one has a lower priority while
   * such tasks are due, so nothing starves. A running step is not interrupted: if all slots are taken, a task waits for
   * the first that gets free. Default: normal, which is between the two.
   *
   * The priority belongs to the code, not to the row: a worker with another one applies it to all rows at once.
   */
  readonly priority?: "high" | "low" | undefined
}

/**
 * Declares a task, for programs that enqueue it and must not load its handlers. {@link make} then makes the task of it.
 * Tasks that enqueue themselves or each other also use declarations: the type of a declaration does not depend on the
 * steps. Don't change `name` and the states' tags later: rows in the database hold them.
 *
 * Compile errors (and, for callers in plain JavaScript, a thrown `TaskDefinitionError`): there is no state; two states
 * have one tag; `entry` is empty, or names a state that is not among `states`. The name must not be empty, nor longer
 * than 200 characters.
 *
 * @example
 * ```ts
 * import { Console, Effect, Schema } from "effect"
 * import { NextStep, Step, Task } from "effect-pg-task"
 *
 * // mail.ts: what other programs import
 * class Draft extends Schema.TaggedClass<Draft>()("Draft", { to: Schema.String }) {}
 * class Send extends Schema.TaggedClass<Send>()("Send", { to: Schema.String, text: Schema.String }) {}
 *
 * export const Mail = Task.declare("Mail", { states: [Draft, Send], entry: [Draft] })
 *
 * // Effect<TaskId, EnqueueError, SqlClient>
 * export const program = Mail.enqueue(new Draft({ to: "ada" }), { delay: "5 minutes" })
 *
 * // mail.worker.ts: what the worker imports
 * export const MailTask = Task.make(Mail, [
 *   Step.make(Draft, {
 *     next: [Send],
 *     handler: ({ to }) => Effect.succeed(NextStep.now(new Send({ to, text: `Hello, ${to}` })))
 *   }),
 *   Step.make(Send, { handler: ({ text }) => Effect.as(Console.log(text), NextStep.none) })
 * ])
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const declare = <
  const Name extends string,
  const States extends ReadonlyArray<StateSchema>,
  const Entry extends ReadonlyArray<StateSchema> = States,
  const Finals extends ReadonlyArray<StateSchema> = readonly [],
  const Signals extends ReadonlyArray<StateSchema> = readonly []
>(
  name: Name,
  options:
    & DeclareOptions<States, Entry, Finals, Signals>
    & CheckStates<States>
    & CheckFinals<Finals, States>
    & CheckEntry<Entry, States[number], Finals[number]>
): Declaration<Name, States[number] | Finals[number], Entry[number], Finals[number], Signals[number]> =>
  declareTask(name, options) as never

/**
 * Makes a task of its steps, and of its name or its {@link Declaration}. Don't change the name and the states' tags
 * later: rows in the database hold them.
 *
 * Compile errors (and, for callers in plain JavaScript, a thrown `TaskDefinitionError`): a step's `next` names a state
 * that no step has; two steps have one state's tag; there is no step; `entry` is empty, or names a state that no step
 * has; a declared state has no step; a step's state is not declared, or its schema is not the declared one, or only one
 * of the two is final; a former state is one of two steps, or the state of a step, or in the `next` of a step. The name
 * must not be empty, nor longer than 200 characters.
 *
 * Throws a `TaskDefinitionError` also in TypeScript if there is an `entry`, and no path of `next` leads from it to some
 * state.
 *
 * @example
 * ```ts
 * import { Console, Effect, Schema } from "effect"
 * import { NextStep, Step, Task } from "effect-pg-task"
 *
 * class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}
 *
 * const sayHello = Step.make(SayHello, {
 *   handler: ({ name }) => Console.log(`Hello, ${name}`).pipe(Effect.as(NextStep.none))
 * })
 *
 * export const Greeter = Task.make("Greeter", [sayHello])
 *
 * // Effect<TaskId, EnqueueError, SqlClient>
 * export const program = Greeter.enqueue(new SayHello({ name: "Fedor" }))
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  const Name extends string,
  const Steps extends ReadonlyArray<Step.Any>,
  Declared extends StateSchema = never,
  DeclaredEntry extends StateSchema = NotFinalOf<Steps[number]>,
  DeclaredFinals extends StateSchema = never,
  const Entry extends ReadonlyArray<StateSchema> = ReadonlyArray<DeclaredEntry>,
  DeclaredSignals extends StateSchema = never
>(
  of: Name | Declaration<Name, Declared, DeclaredEntry, DeclaredFinals, DeclaredSignals>,
  steps: Steps & CheckSteps<Steps, Declared, DeclaredFinals, DeclaredSignals>,
  options?: MakeOptions<Entry> & CheckOptions<Declared, Entry, Steps[number]>
): Task<Name, Steps[number], Entry[number]> => makeTask(of as never, steps as never, options) as never

export type {
  /**
   * A child: a task of the name `Name` that another task waits for, and that comes to `A`.
   *
   * @category models
   * @since 0.1.0
   */
  Child,
  /**
   * The schema of a field that holds a child.
   *
   * @category models
   * @since 0.1.0
   */
  ChildSchema,
  /**
   * A task that is declared further down, for {@link child}: its name, its final states, and the services that encode
   * its states (by default none).
   *
   * @category models
   * @since 0.1.0
   */
  Forward,
  /**
   * What the children in the fields of a state have come to, under the names of these fields.
   *
   * @category utility types
   * @since 0.1.0
   */
  Results,
  /**
   * What has become of a child: it ended in a final state, it is parked, or it is gone.
   *
   * @category models
   * @since 0.1.0
   */
  Settled
}

/**
 * The schema of a field that holds a child: alone, or in an array or a record of children. A step that moves to such a
 * state makes the children with `child` of their task. `Step.wait` with `on.children` waits until all of them have
 * ended, and gives their final states to its handler.
 *
 * For a task whose states hold children of its own kind, or that is declared further down, give a function. The function
 * needs a type of its own, because the compiler can't work out a type that depends on itself: {@link Forward}, with the
 * task's name and its final states. It is called when the first child is made or read.
 *
 * Throws a `TaskDefinitionError` if it is given no task.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { NextStep, Step, Task } from "effect-pg-task"
 *
 * class Add extends Schema.TaggedClass<Add>()("Add", { a: Schema.Number }) {}
 * class Sum extends Schema.TaggedClass<Sum>()("Sum", { sum: Schema.Number }) {}
 * const Adder = Task.declare("Adder", { states: [Add], final: [Sum] })
 *
 * class AddAll extends Schema.TaggedClass<AddAll>()("AddAll", { all: Schema.Array(Schema.Number) }) {}
 * class Gather extends Schema.TaggedClass<Gather>()("Gather", { sums: Schema.Array(Task.child(Adder)) }) {}
 *
 * export const Sums = Task.make("Sums", [
 *   Step.make(AddAll, {
 *     next: [Gather],
 *     handler: ({ all }) =>
 *       Effect.succeed(NextStep.now(new Gather({ sums: all.map((a) => Adder.child(new Add({ a }))) })))
 *   }),
 *   Step.wait(Gather, (on) => [
 *     on.children({
 *       handler: (_, { sums }) => Effect.as(Effect.log(sums.map(({ sum }) => sum)), NextStep.none)
 *     })
 *   ])
 * ])
 * ```
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { NextStep, Step, Task } from "effect-pg-task"
 *
 * class Size extends Schema.TaggedClass<Size>()("Size", { folders: Schema.Number }) {}
 * class Open extends Schema.TaggedClass<Open>()("Open", { folder: Schema.String }) {}
 * class Inside extends Schema.TaggedClass<Inside>()("Inside", {
 *   folders: Schema.Array(Task.child((): Task.Forward<"Tree", typeof Size> => Tree))
 * }) {}
 *
 * const Tree = Task.declare("Tree", { states: [Open, Inside], entry: [Open], final: [Size] })
 *
 * const foldersIn = (folder: string) => folder.length < 3 ? [`${folder}a`, `${folder}b`] : []
 *
 * export const TreeTask = Task.make(Tree, [
 *   Step.make(Open, {
 *     next: [Inside],
 *     handler: ({ folder }) =>
 *       Effect.succeed(NextStep.now(
 *         new Inside({ folders: foldersIn(folder).map((folder) => Tree.child(new Open({ folder }))) })
 *       ))
 *   }),
 *   Step.wait(Inside, (on) => [
 *     on.children({
 *       next: [Size],
 *       handler: (_, { folders }) =>
 *         Effect.succeed(NextStep.now(new Size({ folders: folders.reduce((sum, one) => sum + one.folders, 1) })))
 *     })
 *   ]),
 *   Step.final(Size)
 * ])
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const child = <D extends AnyDeclaration | (() => Forward<string, StateSchema, unknown>)>(of: D): ChildOf<D> =>
  makeChildSchema(of as never) as never

export type * from "./internal/definition/namedTypes.ts"

/**
 * Tells whether a value is a {@link Task}. A declaration alone is not a task.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTask = (u: unknown): u is Any => hasProperty(u, TypeId)

/**
 * Tells whether a value is a {@link Declaration}. Every task is one, too.
 *
 * @category guards
 * @since 0.1.0
 */
export const isDeclaration = (u: unknown): u is AnyDeclaration => hasProperty(u, DeclarationTypeId)
