/** States on their way through the table, and back to a handler. */
import { Effect, Queue, type Schema } from "effect"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { start } from "./Fixture.ts"
import { insert, row } from "./Table.ts"
import { within } from "./Wait.ts"

type StateSchema<S extends { readonly _tag: string }> = Schema.Codec<S, any>

/** A task that shows the states it is given. */
const shower = <S extends { readonly _tag: string }>(schema: StateSchema<S>) =>
  Effect.map(Queue.unbounded<S>(), (seen) => ({
    task: Task.make("Show", [
      Step.make(schema, { handler: (state) => Effect.as(Queue.offer(seen, state), NextStep.none) })
    ]),
    next: within(Queue.take(seen), "no state came")
  }))

/** What is stored of a state, and what a handler gets of it. */
export const throughTheTable = Effect.fnUntraced(function*<S extends { readonly _tag: string }>(
  schema: StateSchema<S>,
  state: S
) {
  const { next, task } = yield* shower(schema)
  const id = yield* task.enqueue(state)
  const text = (yield* row(id))!.step
  yield* start({ tasks: [task] })
  return { text, seen: yield* next }
}, Effect.scoped)

/** What a handler gets of a row that somebody inserted. */
export const received = Effect.fnUntraced(function*<S extends { readonly _tag: string }>(
  schema: StateSchema<S>,
  step: string
) {
  const { next, task } = yield* shower(schema)
  yield* insert(step)
  yield* start({ tasks: [task] })
  return yield* next
}, Effect.scoped)
