/** `schedule` and `unschedule` of a recurring task. */
import * as Effect from "effect/Effect"
import { isObject } from "effect/Predicate"
import * as Result from "effect/Result"
import * as SqlClient from "effect/sql/SqlClient"
import { TaskOptionsError } from "../../TaskError.ts"
import { serverTime } from "../sql/claim.ts"
import { toTableError } from "../sql/errors.ts"
import { deleteSchedule, storeSchedule } from "../sql/schedules.ts"
import { isScheduleName, type RecurringDefinition, specOf } from "./recurring.ts"
import { newSchedule } from "./schedule.ts"

interface ScheduleOptions {
  readonly cron: unknown
  readonly timeZone?: unknown
}

const checkName = ({ name: own }: RecurringDefinition, name: string): Effect.Effect<void, TaskOptionsError> => {
  const refuse = (mistake: string) =>
    new TaskOptionsError({ task: own, message: `${own}: ${mistake}. Nothing was stored` })
  if (!isScheduleName(name)) {
    return refuse("the name of a schedule must be a text of 1 to 200 characters, without NUL or half surrogate pairs")
  }
  return name === own
    ? refuse(`"${own}" is the name of its own schedule, which is changed by \`cron\` and \`version\``)
    : Effect.void
}

export const makeScheduling = (definition: RecurringDefinition) => ({
  schedule: (name: string, options: ScheduleOptions) =>
    Effect.gen(function*() {
      yield* checkName(definition, name)
      const spec = isObject(options) ? specOf(options) : Result.fail("the options must be an object with `cron`")
      if (Result.isFailure(spec)) {
        return yield* new TaskOptionsError({
          task: definition.name,
          message: `${definition.name}: ${spec.failure}. Nothing was stored`
        })
      }
      const sql = yield* SqlClient.SqlClient
      const now = yield* serverTime(sql)
      yield* storeSchedule(sql, newSchedule(definition, name, { now, spec: spec.success, version: 0 }))
    }).pipe(Effect.catchTag("SqlError", toTableError)),
  unschedule: (name: string) =>
    Effect.gen(function*() {
      yield* checkName(definition, name)
      const deleted = yield* deleteSchedule(yield* SqlClient.SqlClient, definition.name, name)
      return deleted.length > 0
    }).pipe(Effect.catchTag("SqlError", toTableError))
})
