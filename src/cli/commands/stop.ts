import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Admin from "../../Admin.ts"
import { confirm } from "../input/confirm.ts"
import { connected, limits, within } from "../connection.ts"
import { duration, Json, yes } from "../input/flags.ts"
import * as Output from "../output/print.ts"
import { plural } from "../output/text.ts"

export const stop = Command.make(
  "stop",
  {
    timeout: duration("timeout").pipe(
      Flag.withDescription("How long to wait for running steps. Default 1m"),
      Flag.withDefault(Duration.minutes(1))
    ),
    yes
  },
  Effect.fnUntraced(function*({ timeout, yes }) {
    const json = yield* Json
    yield* connected(Effect.gen(function*() {
      const running = yield* within(limits.read)(Admin.count({ status: "running" }))
      yield* confirm(`Stop all workers (${plural(running, "task")} running)?`, { yes, details: Effect.void })
      if (!json) yield* Output.note("Waiting until no step runs any more …")
      // `stopWorkers` can't check its timeout while a statement gets no answer.
      yield* within(Duration.sum(timeout, limits.read))(Admin.stopWorkers({ timeout }))
    }))
    yield* json ? Output.json({ stopped: true }) : Console.log("All workers have stopped")
  })
).pipe(
  Command.withDescription("Ask all workers of this table to stop, and wait until no step runs any more"),
  Command.withExamples([{ command: "pg-task stop --timeout 5m --yes", description: "In a deployment script" }])
)
