/** How a producer enqueues plans with keys. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { EnqueueError, TaskKeyTakenError } from "../../../src/TaskError.ts"
import type { Enqueued } from "../../../src/Task.ts"
import { beginning, type makeJourney } from "../PlannedTask.ts"
import type { Plan } from "../Plan.ts"
import type { PlanKey } from "./PlanKey.ts"

export interface KeyedPlan extends Plan {
  readonly key: PlanKey
}

export const isKeyed = (plan: Plan): plan is KeyedPlan => plan.key !== undefined

type Keyed = ReturnType<typeof makeJourney<"Keyed">>

/** Notes what a call was told, in the transaction of the call: the first time, if it is made again in a savepoint. */
const note = (sql: SqlClient.SqlClient, { id, key: { key } }: KeyedPlan, told: Omit<Enqueued, "id"> & { id: string }) =>
  sql`insert into called (plan, key, created, status, task) values
    (${id}, ${key}, ${told.created}, ${told.status}, ${told.id}) on conflict do nothing`

const enqueue = (task: Keyed, { id, key, ops }: KeyedPlan) =>
  task.enqueue(beginning(id, ops), { key: key.key, onConflict: key.onConflict, delay: key.delay })

/** A key that is taken is an answer, too. */
export const call = (
  task: Keyed,
  sql: SqlClient.SqlClient,
  plan: KeyedPlan
): Effect.Effect<unknown, EnqueueError | SqlError, SqlClient.SqlClient> =>
  enqueue(task, plan).pipe(
    Effect.catchTag("TaskKeyTakenError", ({ id }: TaskKeyTakenError) =>
      Effect.succeed({ id: id!, created: false, status: "ready" as const })),
    Effect.flatMap((told) =>
      note(sql, plan, told)
    )
  )

/** Calls with one key each, with one statement. */
export const callAll = (
  task: Keyed,
  sql: SqlClient.SqlClient,
  plans: ReadonlyArray<KeyedPlan>
): Effect.Effect<unknown, unknown, SqlClient.SqlClient> => {
  const { delay, onConflict } = plans[0]!.key
  return task.enqueueAll(plans.map(({ id, ops }) => beginning(id, ops)), {
    key: ({ plan }) => plan.split(".")[0]!,
    onConflict,
    delay
  }).pipe(
    Effect.flatMap((told) => Effect.forEach(plans, (plan, n) => note(sql, plan, told[n]!)))
  )
}

/** Batches: each key once, and the same options. */
export const batchesOf = (plans: ReadonlyArray<KeyedPlan>): ReadonlyArray<ReadonlyArray<KeyedPlan>> => {
  const batches: Array<Array<KeyedPlan>> = []
  for (const plan of plans) {
    const { delay, key, onConflict } = plan.key
    const fitting = batches.find((batch) =>
      batch.length < 4 && batch[0]!.key.onConflict === onConflict && batch[0]!.key.delay === delay &&
      batch.every((other) => other.key.key !== key)
    )
    if (fitting === undefined) batches.push([plan])
    else fitting.push(plan)
  }
  return batches
}
