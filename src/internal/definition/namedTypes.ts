/**
 * Types that users' declarations may name: where they export `Task.make`, for example. `Task` exports them, because
 * this folder is closed to users.
 */
export type {
  /**
   * Compile errors that name what is wrong with the options of `enqueue`, each at its option, or `unknown`.
   *
   * @category utility types
   * @since 0.1.0
   */
  CheckEnqueue,
  /**
   * What `enqueue` returns with the options `O`: the id, or with a key what has the key.
   *
   * @category utility types
   * @since 0.1.0
   */
  EnqueuedWith,
  /**
   * What `enqueueAll` returns for each state.
   *
   * @category utility types
   * @since 0.1.0
   */
  EnqueuedWithKey,
  /**
   * What `enqueue` may fail with because of its options `O`.
   *
   * @category utility types
   * @since 0.1.0
   */
  KeyError,
  /**
   * What `enqueueAll` may fail with because of its options.
   *
   * @category utility types
   * @since 0.1.0
   */
  KeysError,
  /**
   * The options that say when a task becomes due: one of the two.
   *
   * @category options
   * @since 0.1.0
   */
  OneOfDueOptions,
  /**
   * The type of an option that can only be wrong. Its text says why.
   *
   * @category utility types
   * @since 0.1.0
   */
  Wrong
} from "./enqueueTypes.ts"
export type {
  /**
   * The schema of a field that holds a child of the declared task `D`.
   *
   * @category utility types
   * @since 0.1.0
   */
  ChildOf
} from "./childTypes.ts"
export type {
  /**
   * Compile errors that name what is wrong with `final` of a declaration, or `unknown`.
   *
   * @category utility types
   * @since 0.1.0
   */
  CheckFinals,
  /**
   * The tags of schemas, by which those that occur twice are found.
   *
   * @category utility types
   * @since 0.1.0
   */
  Tagged,
  /**
   * A compile error that names a tag which two schemas share, or `unknown`.
   *
   * @category utility types
   * @since 0.1.0
   */
  TwiceDeclared,
  /**
   * Compile errors for steps that are final only in the declaration, or only in their own definition, or `unknown`.
   *
   * @category utility types
   * @since 0.1.0
   */
  CheckFinality,
  /**
   * Whether a step's state is final.
   *
   * @category utility types
   * @since 0.1.0
   */
  FinalityOf,
  /**
   * The schemas of the final states among steps.
   *
   * @category utility types
   * @since 0.1.0
   */
  FinalOf,
  /**
   * The schemas of the states among steps that are not final: a task may begin in them.
   *
   * @category utility types
   * @since 0.1.0
   */
  NotFinalOf
} from "./finalTypes.ts"
export type {
  /**
   * Compile errors that name what is wrong with the former states of a task's steps, each at its step, or `unknown`.
   *
   * @category utility types
   * @since 0.1.0
   */
  CheckFormers
} from "./former.ts"
export type {
  /**
   * The schemas of the signals that steps wait for.
   *
   * @category utility types
   * @since 0.1.0
   */
  SignalsOf,
  /**
   * A compile error that names a signal which a step waits for and the task does not declare, or `never`.
   *
   * @category utility types
   * @since 0.1.0
   */
  UndeclaredSignal
} from "./signalTypes.ts"
export type {
  /**
   * The values of `Key` that two elements of a tuple share, as far as the compiler knows them.
   *
   * @category utility types
   * @since 0.1.0
   */
  Duplicates,
  /**
   * The `_tag` of a state's schema.
   *
   * @category utility types
   * @since 0.1.0
   */
  SchemaTag
} from "./state.ts"
