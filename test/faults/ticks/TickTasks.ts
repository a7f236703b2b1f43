/** Recurring tasks whose ticks are noted, each by the task that it starts, in the transaction of that task's end. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as NextStep from "../../../src/NextStep.ts"
import * as Recurring from "../../../src/Recurring.ts"
import * as Step from "../../../src/Step.ts"
import * as Task from "../../../src/Task.ts"

class Tick extends Schema.TaggedClass<Tick>()("Tick", { schedule: Schema.String, at: Schema.String }) {}

const Ticks = Task.make("Ticks", [
  Step.make(Tick, {
    retryLimit: Infinity,
    retryDelay: "100 millis",
    handler: ({ at, schedule }) =>
      Effect.as(
        // Some are at work for longer than it takes until the next one.
        Effect.sleep(Date.parse(at) % 7000 === 0 ? "3 seconds" : "20 millis"),
        NextStep.noneWith({
          commit: Effect.flatMap(
            SqlClient.SqlClient,
            (sql) => sql`insert into ticked (key, tick) values (${schedule}, ${at}::timestamptz)`
          )
        })
      )
  })
])

const state = ({ date, name }: Recurring.Tick) =>
  new Tick({ schedule: name, at: DateTime.formatIso(DateTime.toUtc(date)) })

const Each = Recurring.make("each", { task: Ticks, state, missed: "all", overlap: "allow" })
const Once = Recurring.make("once", { task: Ticks, state, missed: "once", jitter: "300 millis" })
const Skip = Recurring.make("skip", { task: Ticks, state, missed: "skip", overlap: "allow" })

/** It has a spec of its own, and each build another one. It is never due. */
const versioned = (version: number) =>
  Recurring.make("versioned", { cron: `${version} 0 1 1 *`, version, task: Ticks, state })

/** What a worker of such a build is given. */
export const ticking = (version: number) => [Ticks, Each, Once, Skip, versioned(version)] as const

/** Whether none of its ticks may be left out. */
export const isEach = (schedule: string): boolean => schedule.startsWith("each")

/** Stores the schedules of a round. */
export const startSchedules = Effect.all([
  Each.schedule("each second", { cron: "* * * * * *" }),
  Each.schedule("each third second, far away", { cron: "*/3 * * * * *", timeZone: "Australia/Lord_Howe" }),
  Once.schedule("once in two seconds", { cron: "*/2 * * * * *" }),
  Skip.schedule("skip if late", { cron: "*/2 * * * * *", timeZone: "America/New_York" })
], { discard: true })

export const recurringNames = ["each", "once", "skip"] as const
