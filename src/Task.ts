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
import { declareTask } from "./internal/definition/declaration.ts"
import type { CheckFormers } from "./internal/definition/former.ts"
import { makeTask } from "./internal/definition/task.ts"
import type { Duplicates, SchemaTag, StateSchema } from "./internal/definition/state.ts"
import type * as Step from "./Step.ts"
import type { EnqueueError } from "./TaskError.ts"
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
  in out Entry extends StateSchema = States
> {
  readonly [DeclarationTypeId]: DeclarationTypeId
  /** The name, stored with every row of this task. */
  readonly name: Name
  /** The schemas of its states. */
  readonly states: ReadonlyArray<States>
  /** The schemas of the states in which it may begin. */
  readonly entry: ReadonlyArray<Entry>
  /** Stores a task, and returns its id. It is due at once, or when the options say. */
  readonly enqueue: <const S extends States["Type"]>(
    state: S & CheckEntryState<Name, Entry, S>,
    options?: EnqueueOptions
  ) => Effect.Effect<TaskId, EnqueueError, SqlClient | EncodingServices<States, S>>
  /** Stores a task that becomes due `duration` from now: short for `enqueue(state, { delay: duration })`. */
  readonly delay: <const S extends States["Type"]>(
    state: S & CheckEntryState<Name, Entry, S>,
    duration: Duration.Input
  ) => Effect.Effect<TaskId, EnqueueError, SqlClient | EncodingServices<States, S>>
  /** Stores a task that becomes due at `dateTime`: short for `enqueue(state, { at: dateTime })`. */
  readonly schedule: <const S extends States["Type"]>(
    state: S & CheckEntryState<Name, Entry, S>,
    dateTime: DateTime.DateTime
  ) => Effect.Effect<TaskId, EnqueueError, SqlClient | EncodingServices<States, S>>
  /**
   * Stores many tasks with one statement, all of them or none, and returns their ids in the order of `states`. The
   * options apply to all of them.
   */
  readonly enqueueAll: <const S extends States["Type"]>(
    states: Iterable<S & CheckEntryState<Name, Entry, S>>,
    options?: EnqueueOptions
  ) => Effect.Effect<ReadonlyArray<TaskId>, EnqueueError, SqlClient | EncodingServices<States, S>>
}

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
  in out Entry extends StateSchema = Steps["state"]
> extends Declaration<Name, Steps["state"], Entry> {
  readonly [TypeId]: TypeId
  /** The steps. */
  readonly steps: ReadonlyArray<Steps>
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
}

/**
 * When a new task becomes due: at once, or after `delay`, or `at` a moment. Give only one of the two.
 *
 * @category options
 * @since 0.1.0
 */
export type EnqueueOptions = {
  /**
   * How long from now it becomes due, by Postgres's clock. In a transaction, that is from its beginning. With a
   * negative duration it is due at once, with an infinite one never. Default: due at once.
   */
  readonly delay?: Duration.Input | undefined
  readonly at?: OneTime | undefined
} | {
  readonly delay?: OneTime | undefined
  /** When it becomes due, in place of `delay`. A moment in the past is due at once. */
  readonly at?: DateTime.DateTime | undefined
}

/** The type of an option that goes with the other's absence only. */
type OneTime = "give either `delay` or `at`"

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

export type {
  /**
   * The values of `Key` that two elements of a tuple share, as far as the compiler knows them.
   *
   * @category utility types
   * @since 0.1.0
   */
  Duplicates
}

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
type CheckSteps<Steps extends ReadonlyArray<Step.Any>, Declared> = Steps extends readonly [] ?
  "a task needs at least one step"
  : [Duplicates<Steps, "tag">] extends [never]
    ? [CheckFormers<Steps>] extends [never]
      ? [Unlisted<Nexts<Steps[number]>, Steps[number]["state"]>] extends [never] ? CheckDeclared<Declared, Steps>
      : { readonly [I in keyof Steps]: CheckNext<Steps[I], Steps[number]> }
    : CheckFormers<Steps>
  : { readonly [I in keyof Steps]: Twice<Extract<Tag<Steps[I]>, Duplicates<Steps, "tag">>> }

type Twice<T extends string> = [T] extends [never] ? unknown : `two steps of this task have the state "${T}"`

type CheckNext<S, Steps extends Step.Any> = Unlisted<Nexts<S>, Steps["state"]> extends infer T extends string
  ? [T] extends [never] ? unknown : NextError<Tag<S>, Exclude<T, Tag<Steps>>, T>
  : never

type NextError<From extends string, Missing extends string, Differing extends string> = [Missing] extends [never]
  ? `step "${From}" moves to a "${Differing}" that differs from the state of this task's step "${Differing}"`
  : `step "${From}" moves to "${Missing}", but no step of this task has that state`

/** Compile errors that name what differs between declared states and the steps, or `unknown`. */
type CheckDeclared<States, Steps extends ReadonlyArray<Step.Any>> = [States] extends [never] ? unknown
  : [Exclude<SchemaTag<States>, Tag<Steps[number]>>] extends [never]
    ? [Unlisted<Steps[number]["state"], States>] extends [never] ? unknown
    : { readonly [I in keyof Steps]: CheckDeclaredStep<States, Steps[I]> }
  : `no step for the state "${Exclude<SchemaTag<States>, Tag<Steps[number]>>}", which is declared`

type CheckDeclaredStep<States, S> = S extends Step.Any
  ? Unlisted<S["state"], States> extends infer T extends string
    ? [T] extends [never] ? unknown : DeclaredError<Extract<T, SchemaTag<States>>, T>
  : never
  : never

type DeclaredError<Differing extends string, T extends string> = [Differing] extends [never]
  ? `a step for the state "${T}", which is not declared: add it to \`states\``
  : `the state of step "${T}" differs from the "${T}" that is declared: use the same schema`

/** The tags of schemas, where {@link Duplicates} finds them. */
type Tagged<Schemas extends ReadonlyArray<StateSchema>> = {
  readonly [I in keyof Schemas]: { readonly tag: SchemaTag<Schemas[I]> }
}

/** Compile errors that name what is wrong with declared states, each at its state, or `unknown`. */
type CheckStates<States extends ReadonlyArray<StateSchema>> = States extends readonly []
  ? { readonly states: "a task needs at least one state" }
  : [Duplicates<Tagged<States>, "tag">] extends [never] ? unknown
  : {
    readonly states: {
      readonly [I in keyof States]: TwiceDeclared<Extract<SchemaTag<States[I]>, Duplicates<Tagged<States>, "tag">>>
    }
  }

type TwiceDeclared<T extends string> = [T] extends [never] ? unknown : `two states of this task have the tag "${T}"`

/** Compile errors that name what is wrong with `entry`, each at its state, or `unknown`. */
type CheckEntry<Entry extends ReadonlyArray<StateSchema>, States> = Entry extends readonly []
  ? { readonly entry: "a task needs at least one state to begin with; without `entry` it may begin with any" }
  : [Unlisted<Entry[number], States>] extends [never] ? unknown
  : { readonly entry?: { readonly [I in keyof Entry]: NoState<Unlisted<Entry[I], States>> } | undefined }

type NoState<T extends string> = [T] extends [never] ? unknown : `"${T}" is no state of this task`

type CheckOptions<Declared, Entry extends ReadonlyArray<StateSchema>, States> = [Declared] extends [never]
  ? CheckEntry<Entry, States>
  : { readonly entry?: "this task is declared already: give `entry` to Task.declare" | undefined }

/**
 * Options of {@link declare}.
 *
 * @category options
 * @since 0.1.0
 */
export interface DeclareOptions<States extends ReadonlyArray<StateSchema>, Entry extends ReadonlyArray<StateSchema>>
  extends Options<Entry>
{
  /** The schemas of all states that it may be in. */
  readonly states: States
}

/**
 * Options of {@link make}.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<Entry extends ReadonlyArray<StateSchema>> {
  /**
   * The states in which a task may begin: `enqueue` takes no others, and diagrams show them. Every state must be
   * reached from one of them. Default: any state.
   */
  readonly entry?: Entry | undefined
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
  const Entry extends ReadonlyArray<StateSchema> = States
>(
  name: Name,
  options: DeclareOptions<States, Entry> & CheckStates<States> & CheckEntry<Entry, States[number]>
): Declaration<Name, States[number], Entry[number]> => declareTask(name, options) as never

/**
 * Makes a task of its steps, and of its name or its {@link Declaration}. Don't change the name and the states' tags
 * later: rows in the database hold them.
 *
 * Compile errors (and, for callers in plain JavaScript, a thrown `TaskDefinitionError`): a step's `next` names a state
 * that no step has; two steps have one state's tag; there is no step; `entry` is empty, or names a state that no step
 * has; a declared state has no step; a step's state is not declared, or its schema is not the declared one; a former
 * state is one of two steps, or the state of a step, or in the `next` of a step. The name must not be empty, nor longer than 200 characters.
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
  DeclaredEntry extends StateSchema = Steps[number]["state"],
  const Entry extends ReadonlyArray<StateSchema> = ReadonlyArray<DeclaredEntry>
>(
  of: Name | Declaration<Name, Declared, DeclaredEntry>,
  steps: Steps & CheckSteps<Steps, Declared>,
  options?: Options<Entry> & CheckOptions<Declared, Entry, Steps[number]["state"]>
): Task<Name, Steps[number], Entry[number]> => makeTask(of as never, steps as never, options) as never

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
