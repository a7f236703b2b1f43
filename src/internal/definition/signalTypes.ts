/** What `Task` says about signals, as types. */
import type { SchemaTag, StateSchema } from "./state.ts"

/** A compile error that names the signals of a task, or `unknown`. */
export type CheckSignal<Name extends string, Signals extends StateSchema, S> = [Signals] extends [never]
  ? `no state of task "${Name}" waits for signals`
  : [S] extends [Signals["Type"]] ? unknown
  : WrongSignal<Name, Signals, S>

type WrongSignal<Name extends string, Signals extends StateSchema, S> = S extends
  { readonly _tag: infer T extends string }
  ? T extends SchemaTag<Signals> ? `this differs from the signal "${T}" of task "${Name}"`
  : `no state of task "${Name}" waits for the signal "${T}"`
  : never

/** The signals that waiting steps wait for. */
export type SignalsOf<Steps> = Steps extends { readonly on: ReadonlyArray<infer O> }
  ? O extends { readonly signal: infer S | undefined } ? S extends StateSchema ? S : never : never
  : never

/** What is wrong with a signal that a step waits for. */
export type UndeclaredSignal<Differing extends string, T extends string> = [Differing] extends [never]
  ? `this step waits for the signal "${T}", which is not declared: add it to \`signals\``
  : `this step waits for a "${T}" that differs from the signal that is declared: use the same schema`
