/** The options of `enqueue` and its kin, and the types of what they return: public through `Task`. */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type { TaskKeyTakenError } from "../../TaskError.ts"
import type { TaskId } from "../../TaskId.ts"
import type { Status } from "../sql/row.ts"

/** When a new task becomes due: at once, or after `delay`, or `at` a moment. Give only one of the two. */
interface DueOptions {
  /**
   * How long from now it becomes due, by Postgres's clock. In a transaction, that is from its beginning. With a
   * negative duration it is due at once, with an infinite one never. Default: due at once.
   */
  readonly delay?: Duration.Input | undefined
  /** When it becomes due, in place of `delay`. A moment in the past is due at once. */
  readonly at?: DateTime.DateTime | undefined
}

/** The type of an option that goes with the other's absence only. */
type OneTime = "give either `delay` or `at`"

/** The same, for types that are not inferred: one of the two. */
export type OneOfDueOptions =
  | { readonly delay?: DueOptions["delay"]; readonly at?: OneTime | undefined }
  | { readonly delay?: OneTime | undefined; readonly at?: DueOptions["at"] }

/**
 * What happens if the key is taken.
 *
 * - `keep`: the task that has it is returned, and nothing is changed.
 * - `fail`: fails with `TaskKeyTakenError`, and nothing is stored.
 * - `replace`: the task that has it gets the new state, and is due when the options say. If it runs, the new state is
 *   kept until its attempt ends, however it ends, and then takes the place of what the attempt would have left. A parked
 *   task is revived. A task that has ended loses its key, and a new one is stored.
 * - `debounce`: the same. With a `delay`, the wait begins anew with each call, until there are no more.
 * - `throttle`: the same, but a task that is scheduled keeps its time. With a `delay`, it runs at most once in that time,
 *   with the newest state.
 */
export type OnConflict = "keep" | "fail" | "replace" | "debounce" | "throttle"

/** A key, which only one row of a task can have. */
export interface KeyOptions {
  /**
   * Only one row of this task can have this key. 1 to 500 characters. The key is free again once that row is deleted.
   * Default: no key.
   */
  readonly key?: string | undefined
  /** What happens if a row has the key already. Default `"keep"`. */
  readonly onConflict?: OnConflict | undefined
}

/** The options of `enqueue`: when the task becomes due, and its key. */
export interface EnqueueOptions extends DueOptions, KeyOptions {}

/** The options of `enqueueAll`: when the tasks become due, and their keys. */
export type EnqueueAllOptions<S, Key extends string, Conflict> = OneOfDueOptions & {
  /**
   * Makes the key of each task of its state. If two of the states have the same key, it is as if they were enqueued one
   * after the other. Default: no keys. Don't give `undefined`: what is returned depends on it.
   */
  readonly key?: (state: S) => Key
  /** What happens if a row has one of the keys already. Default `"keep"`. */
  readonly onConflict?: Conflict | undefined
}

/** The task that has a key now. */
export interface Enqueued {
  readonly id: TaskId
  /** Whether it was stored just now. If not, a row had the key already. */
  readonly created: boolean
  /** What it is at this moment. */
  readonly status: Status
}

/** The type of an option: `undefined` if the options don't have it. */
type OptionOf<O, Name extends string> = Name extends keyof O ? O[Name] : undefined

/** What `enqueue` returns: the id alone without a key. */
export type EnqueuedWith<O> = OptionOf<O, "key"> extends infer Key ? Key extends undefined ? TaskId : Enqueued : never

/** What `enqueue` may fail with because of its options. */
export type KeyError<O> = [OptionOf<O, "key">] extends [undefined] ? never
  : "fail" extends OptionOf<O, "onConflict"> ? TaskKeyTakenError
  : never

/** The type of an option that can only be wrong. It is an object: TypeScript says less about two texts that differ. */
export interface Wrong<out Message extends string> {
  readonly [_: symbol]: Message
}

type UnknownOption<O> = Exclude<keyof O, keyof EnqueueOptions>

/** Compile errors that name what is wrong with the options beyond their types, each at its option. */
export type CheckEnqueue<O> =
  & { readonly [Name in UnknownOption<O>]?: Wrong<"there is no such option"> }
  & {
    readonly onConflict?: undefined extends OptionOf<O, "onConflict"> ? unknown
      : [OptionOf<O, "key">] extends [undefined] ? Wrong<"`onConflict` needs a `key`">
      : unknown
    readonly at?: undefined extends OptionOf<O, "delay"> | OptionOf<O, "at"> ? unknown
      : OneTime | undefined
  }

/** What `enqueueAll` returns for each state. */
export type EnqueuedWithKey<Key> = [Key] extends [never] ? TaskId : Enqueued

/** What `enqueueAll` may fail with because of its options. */
export type KeysError<Key, Conflict> = [Key] extends [never] ? never
  : "fail" extends Conflict ? TaskKeyTakenError
  : never
