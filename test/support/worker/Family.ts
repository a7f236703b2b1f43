/** A task that waits for its children, whose end tests decide: by a gate, or by hand. */
import { Effect, Schema } from "effect"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { run } from "./Table.ts"
import { eventually } from "./Wait.ts"

export class Bear extends Schema.TaggedClass<Bear>()("Bear", { name: Schema.String }) {}
class Grown extends Schema.TaggedClass<Grown>()("Grown", { name: Schema.String }) {}

export const Child = Task.declare("Child", { states: [Bear], final: [Grown] })

export class Begin extends Schema.TaggedClass<Begin>()("Begin", { names: Schema.Array(Schema.String) }) {}
export class Gather extends Schema.TaggedClass<Gather>()("Gather", { children: Schema.Array(Task.child(Child)) }) {}
export class Together extends Schema.TaggedClass<Together>()("Together", { seen: Schema.Array(Schema.String) }) {}

export const Parent = Task.declare("Parent", { states: [Begin, Gather], entry: [Begin], final: [Together] })

/** Each child passes the gate before it ends. */
export const makeChild = (gate: Effect.Effect<unknown> = Effect.void) =>
  Task.make(Child, [
    Step.make(Bear, {
      next: [Grown],
      handler: ({ name }) => Effect.as(gate, NextStep.now(new Grown({ name })))
    }),
    Step.final(Grown)
  ])

/** Goes on when its children are settled. `spawning` runs before they are stored. */
export const makeParent = (spawning: Effect.Effect<unknown> = Effect.void) =>
  Task.make(Parent, [
    Step.make(Begin, {
      next: [Gather],
      retryLimit: 0,
      handler: ({ names }) =>
        Effect.as(
          spawning,
          NextStep.now(new Gather({ children: names.map((name) => Child.child(new Bear({ name }))) }))
        )
    }),
    Step.wait(Gather, (on) => [
      on.settled({
        next: [Together],
        handler: (_, { children }) =>
          Effect.succeed(NextStep.now(
            new Together({ seen: children.map((one) => one._tag === "Ended" ? one.state.name : one._tag) })
          ))
      })
    ]),
    Step.final(Together)
  ])

export const childrenOf = (id: string) =>
  Effect.map(
    run<{ id: string }>("select id::text from pg_task where parent = $1::uuid order by created_at, step", [id]),
    (rows) => rows.map(({ id }) => id)
  )

/** Waits until it waits for its children. */
export const gathers = (id: string) =>
  eventually(run("select waits_for from pg_task where id = $1::uuid", [id]), ([found]) => found?.["waits_for"] !== null)

/** A child ends, as a worker's statement would end it. */
export const endChild = (id: string) =>
  run(
    `update pg_task set step = '{"Child":{"Grown":{"name":"by hand"}}}', ended_at = now(), is_running = false,
      kept_until = now() + interval '1 hour' where id = $1::uuid`,
    [id]
  )
