/** What the compiler knows of children: tasks that a state holds, and waits for. `Task.ts` and `Step.ts` export it. */
import type * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import type { TaskId } from "../../TaskId.ts"
import type { SchemaTag, StateSchema } from "./state.ts"

/** A child: a task of the name `Name`, which comes to `A`. */
export interface Child<out Name extends string, out A> {
  readonly "~effect-pg-task/Task/Child": { readonly name: Name; readonly _A: (_: never) => A }
  /** The child's id. */
  readonly id: TaskId
}

interface AnyChild extends Child<string, unknown> {}

/** The schema of a child, for a field of a state. In JSON it is the child's id. */
export interface ChildSchema<out Name extends string, out A, out RD, out RE>
  extends Schema.Bottom<Child<Name, A>, string, RD, RE, SchemaAST.AST, ChildSchema<Name, A, RD, RE>>
{}

/** The schema of a child of the task `D`, or of the one that the function `D` returns. */
export type ChildOf<D> = D extends () => Forward<infer Name, infer Finals extends StateSchema, infer R>
  ? ChildSchema<Name, Finals["Type"], Finals["DecodingServices"], R>
  : D extends {
    readonly name: infer Name extends string
    readonly states: ReadonlyArray<infer States extends StateSchema>
    readonly finals: ReadonlyArray<infer Finals extends StateSchema>
  } ? ChildSchema<Name, Finals["Type"], Finals["DecodingServices"], States["EncodingServices"]>
  : never

/** What is known of a task before it is declared: its name, its final states, and what encodes its states. */
export interface Forward<Name extends string, Finals extends StateSchema = never, R = never> {
  readonly "~effect-pg-task/Declaration": "~effect-pg-task/Declaration"
  readonly name: Name
  readonly states: ReadonlyArray<{ readonly EncodingServices: R }>
  readonly finals: ReadonlyArray<Finals>
}

/** What has become of a child: it ended in a final state, it is parked, or its row is gone. */
export type Settled<A> =
  | { readonly _tag: "Ended"; readonly state: A }
  | { readonly _tag: "Parked"; readonly error: string }
  | { readonly _tag: "Gone" }

type IsChildren<F> = [F] extends [never] ? false
  : F extends AnyChild ? true
  : F extends ReadonlyArray<infer E> ? E extends AnyChild ? true : false
  : F extends { readonly [k: string]: infer E } ? string extends keyof F ? E extends AnyChild ? true : false : false
  : false

type ResultOf<F, Mode> = F extends Child<string, infer A> ? Mode extends "settled" ? Settled<A> : A
  : F extends ReadonlyArray<unknown> | { readonly [k: string]: unknown }
    ? { readonly [I in keyof F]: ResultOf<F[I], Mode> }
  : F

/** What the children in the fields of a state have come to, under the names of these fields. */
export type Results<State, Mode = "all"> = {
  readonly [K in keyof State as true extends IsChildren<State[K]> ? K : never]: ResultOf<State[K], Mode>
}

/** A compile error for a state that holds no children, or `unknown`. */
export type CheckHolds<State extends StateSchema> = [keyof Results<State["Type"]>] extends [never]
  ? { readonly handler: `the state "${SchemaTag<State>}" holds no children: give it a field made by Task.child` }
  : unknown
