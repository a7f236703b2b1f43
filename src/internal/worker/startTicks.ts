/** The writes of ticks, in the transaction that holds their schedules. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { insertTasks } from "../sql/insert.ts"
import { insertAllKeyed } from "../sql/keys.ts"
import { storeTicked } from "../sql/schedules.ts"
import { type Planned, toTicked } from "./tickPlan.ts"

const atOnce = { delay: 0, at: null, trace: null }

/**
 * Starts those that must not overlap: the key of each is free if its last run has ended. A row that has ended loses the
 * key, though its result is kept.
 */
const startAlone = (sql: SqlClient, planned: ReadonlyArray<Planned>): Effect.Effect<ReadonlySet<string>, SqlError> => {
  const byTask = new Map<string, Array<{ readonly key: string; readonly step: string }>>()
  for (const { key, steps: [step], task } of planned) {
    if (key === undefined || step === undefined) continue
    const steps = byTask.get(task)
    if (steps === undefined) byTask.set(task, [{ key, step }])
    else steps.push({ key, step })
  }
  return Effect.map(
    Effect.forEach(byTask, ([task, steps]) => insertAllKeyed(sql, { ...atOnce, task, steps }, true)),
    (inserted) => new Set(inserted.flat().map(({ key }) => key))
  )
}

/** Stores the tasks that the ticks start, and the schedules. Returns the plans with what became of them. */
export const startTicks = Effect.fnUntraced(function*(
  sql: SqlClient,
  planned: ReadonlyArray<Planned>
): Effect.fn.Return<ReadonlyArray<Planned>, SqlError> {
  const steps = planned.flatMap(({ key, steps }) => key === undefined ? steps : [])
  if (steps.length > 0) yield* insertTasks(sql, { ...atOnce, steps })
  const alone = yield* startAlone(sql, planned)
  const done = planned.map((plan) =>
    plan.key === undefined || plan.steps.length === 0 || alone.has(plan.key)
      ? plan
      : { ...plan, started: 0, overlapped: plan.steps.length }
  )
  yield* storeTicked(sql, done.map(toTicked))
  return done
})
