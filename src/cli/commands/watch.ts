import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { connected } from "../connection.ts"
import { dashboard } from "./watchAll.ts"
import { UsageError } from "../exit.ts"
import { follow } from "./watchOne.ts"
import { by, duration, filter, id } from "../input/flags.ts"

export const watch = Command.make(
  "watch",
  {
    id: id.pipe(Argument.optional),
    task: filter.task,
    by,
    interval: duration("interval").pipe(
      Flag.withDescription("How often to look. Default 2s, or 500ms for one task"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function*({ by, id, interval, task }) {
    if (Option.isSome(id)) {
      if (task !== undefined) return yield* new UsageError({ message: "Give an id or --task, not both" })
      if (by !== undefined) return yield* new UsageError({ message: "Give an id or --by, not both" })
      const pause = Option.getOrElse(interval, () => Duration.millis(500))
      return yield* connected(follow(id.value, pause))
    }
    const pause = Option.getOrElse(interval, () => Duration.seconds(2))
    yield* connected(dashboard({ task, by, interval: pause }))
  })
).pipe(
  Command.withDescription("Watch the counts and the latest failures, until Ctrl-C; or one task, until its end"),
  Command.withExamples([
    { command: "pg-task watch", description: "All tasks" },
    { command: "pg-task watch --by error", description: "All tasks, and why some are parked" },
    { command: "pg-task watch 5d0bb27f", description: "One task: exit code 0 when it is gone, 1 when it is parked" }
  ])
)
