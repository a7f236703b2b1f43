// Every option may be undefined, as a variable may be, with `exactOptionalPropertyTypes`, too. Compiled only.
import type { Duration, Effect, Schedule, Schema } from "effect"
import type { Admin, Diagram, NextStep, RetryPolicy, Step, TableMetrics, Task, Worker } from "../../../src/index.ts"
import type { EmbeddedPostgres, TaskTest } from "../../../src/testing/index.ts"
import { holds } from "./Equal.ts"

type OptionalKeys<A> = { [K in keyof A]-?: {} extends Pick<A, K> ? K : never }[keyof A]

/** Whether each option takes undefined. */
type TakeUndefined<A> = { [_ in OptionalKeys<A>]: undefined } extends { [K in OptionalKeys<A>]?: A[K] } ? true
  : OptionalKeys<A>

// The check itself: it must tell the two apart.
holds<TakeUndefined<{ readonly a: 1; readonly b?: number | undefined }>>()
// @ts-expect-error: `b` doesn't take undefined
holds<TakeUndefined<{ readonly a: 1; readonly b?: number }>>()

type State = Schema.TaggedStruct<"State", {}>
type Tasks = ReadonlyArray<Task.Any>

holds<TakeUndefined<Step.Options<State, readonly [State], Effect.Effect<NextStep.NextStep<never>>, undefined>>>()
type Retry = Schedule.Schedule<Duration.Duration>
holds<TakeUndefined<Step.Options<State, readonly [State], Effect.Effect<NextStep.NextStep<never>>, Retry>>>()
type Unsafe = Step.Options<
  State,
  readonly [State],
  Effect.Effect<NextStep.NextStep<never>>,
  undefined,
  readonly [],
  boolean | undefined
>
holds<TakeUndefined<Unsafe>>()
holds<TakeUndefined<NextStep.Options>>()
holds<TakeUndefined<Parameters<typeof RetryPolicy.make>[0]>>()
holds<TakeUndefined<Worker.Options<Tasks>>>()
holds<TakeUndefined<Admin.Filter>>()
holds<TakeUndefined<Admin.ListOptions>>()
holds<TakeUndefined<Admin.StreamOptions>>()
holds<TakeUndefined<Admin.EditOptions>>()
holds<TakeUndefined<Task.EnqueueOptions>>()
// What `enqueueAll` returns depends on its `key`: the compiler couldn't tell whether there is one.
holds<TakeUndefined<Omit<Task.EnqueueAllOptions<State, string, Task.OnConflict>, "key">>>()
holds<TakeUndefined<Task.KeyOptions>>()
holds<TakeUndefined<Task.Options<readonly [State]>>>()
holds<TakeUndefined<Task.MakeOptions<readonly [State]>>>()
holds<TakeUndefined<Task.DeclareOptions<readonly [State], readonly [State]>>>()
holds<TakeUndefined<Admin.StopOptions>>()
holds<TakeUndefined<Diagram.Options>>()
holds<TakeUndefined<Diagram.Count>>()
holds<TakeUndefined<TableMetrics.Options>>()
holds<TakeUndefined<EmbeddedPostgres.Options>>()
holds<TakeUndefined<TaskTest.Options<Tasks>>>()
holds<TakeUndefined<TaskTest.RunAllOptions<Tasks>>>()
