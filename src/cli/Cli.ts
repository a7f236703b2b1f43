/** The command `pg-task`: everything that `Admin` can do, for people and for scripts. */
import * as CliConfig from "effect/cli/CliConfig"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import { cancel } from "./commands/cancel.ts"
import { check } from "./commands/check.ts"
import { diagram } from "./commands/diagram.ts"
import { edit } from "./commands/edit.ts"
import { endWait } from "./commands/endWait.ts"
import { enqueue } from "./commands/enqueue.ts"
import { history } from "./commands/history.ts"
import { limits } from "./commands/limits.ts"
import { list } from "./commands/list.ts"
import { migrate } from "./commands/migrate.ts"
import { migrateStates } from "./commands/migrateStates.ts"
import { pause, resume } from "./commands/pause.ts"
import { retry } from "./commands/retry.ts"
import { runNow } from "./commands/runNow.ts"
import { schedules } from "./commands/schedules.ts"
import { signal } from "./commands/signal.ts"
import { show } from "./commands/show.ts"
import { snapshot } from "./commands/snapshot.ts"
import { stats } from "./commands/stats.ts"
import { stop } from "./commands/stop.ts"
import { watch } from "./commands/watch.ts"
import { web } from "./commands/web.ts"
import { presenter } from "./output/help.ts"
import { Json, Url } from "./input/flags.ts"

const root = Command.make("pg-task").pipe(
  Command.withDescription("See and steer the tasks in a table pg_task"),
  Command.withSubcommands([
    { group: "Look", commands: [list, show, history, stats, watch, web, diagram] },
    { group: "Change", commands: [retry, edit, runNow, signal, endWait, cancel, enqueue] },
    { group: "Operate", commands: [schedules, limits, pause, resume, snapshot, check, migrateStates, migrate, stop] }
  ]),
  Command.withGlobalFlags([Url, Json])
)

const config = CliConfig.make({
  builtIns: [
    GlobalFlag.Help,
    GlobalFlag.Version,
    GlobalFlag.Wizard,
    // The list of shells in one place would make every other line of the help too long.
    { ...GlobalFlag.Completions, flag: Flag.withMetavar(GlobalFlag.Completions.flag, "shell") }
  ]
})

/** Runs the command line `args`. */
export const run = (version: string) => (args: ReadonlyArray<string>) =>
  Command.runWith(root, { version })(args).pipe(
    Effect.provideService(CliOutput.Presenter, presenter),
    Effect.provideService(CliConfig.CliConfig, config)
  )
