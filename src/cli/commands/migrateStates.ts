import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Deploy from "../../Deploy.ts"
import { connected, limits, withinEach } from "../connection.ts"
import { Json, module } from "../input/flags.ts"
import { withoutServices, withProgress } from "../input/states.ts"
import { loadTasks } from "../input/tasksModule.ts"
import { self } from "../output/ownCommand.ts"
import * as Output from "../output/print.ts"
import { plural } from "../output/text.ts"

const describe = ({ migrated, passed, unfit }: Deploy.MigrateReport): ReadonlyArray<string> => [
  migrated === 0 ? "No row was rewritten" : `Rewrote ${plural(migrated, "row")}`,
  ...(passed === 0 ? [] : [`Passed over ${plural(passed, "row")} that others have changed meanwhile: run this again`]),
  ...(unfit === 0 ? [] : [`Left ${plural(unfit, "row")} that can't be decoded: see \`${self("check")}\``])
]

export const migrateStates = Command.make(
  "migrate-states",
  { module },
  Effect.fnUntraced(function*({ module }) {
    const tasks = withoutServices(yield* loadTasks(module))
    const report = yield* connected(Effect.gen(function*() {
      const { formers } = yield* withinEach(limits.read)((answered) =>
        Deploy.check(tasks, { onProgress: () => answered })
      )
      const total = formers.reduce((sum, { count }) => sum + count, 0)
      return yield* withProgress(total, (onProgress) => Deploy.migrate(tasks, { onProgress }))
    }))
    yield* (yield* Json) ? Output.json(report) : Console.log(describe(report).join("\n"))
  })
).pipe(
  Command.withDescription("Rewrite the rows in former states that no worker holds, so that the former states can go"),
  Command.withExamples([
    { command: "pg-task migrate-states --module ./tasks.ts", description: "Once no old worker runs any more" }
  ])
)
