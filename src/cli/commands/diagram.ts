import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Admin from "../../Admin.ts"
import * as Diagram from "../../Diagram.ts"
import type * as Task from "../../Task.ts"
import { connected, limits, within } from "../connection.ts"
import { NothingMatched } from "../exit.ts"
import { Json, module, optional, taskName } from "../input/flags.ts"
import * as Output from "../output/print.ts"
import { loadTasks } from "../input/tasksModule.ts"

export const diagram = Command.make(
  "diagram",
  {
    module,
    task: optional(taskName),
    format: Flag.Literals("format", ["mermaid", "dot"]).pipe(
      Flag.withDescription("Default mermaid"),
      Flag.withDefault("mermaid")
    ),
    direction: Flag.Literals("direction", ["TB", "LR"]).pipe(
      Flag.withDescription("From top to bottom (the default), or from left to right"),
      Flag.withDefault("TB")
    ),
    live: Flag.Boolean("live").pipe(
      Flag.withDescription("Write into it how many tasks there are"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function*({ direction, format, live, module, task: name }) {
    const tasks = (yield* loadTasks(module)).filter((task) => name === undefined || task.name === name)
    if (tasks.length === 0) return yield* new NothingMatched({ message: `${module} exports no task "${name}"` })
    const counts = live ? yield* connected(within(limits.read)(Admin.counts({ task: name }))) : []
    const options = { direction, counts: live ? counts : undefined }
    const draw = (task: Task.Any) =>
      format === "dot" ? Diagram.toGraphViz(task, options) : Diagram.toMermaid(task, options)
    if (yield* Json) return yield* Output.json(tasks.map((task) => ({ task: task.name, diagram: draw(task) })))
    const drawn = format === "dot" ? [Diagram.toGraphViz(tasks, options)] : tasks.map(draw)
    yield* Console.log(drawn.map((text) => text.trimEnd()).join("\n\n"))
  })
).pipe(
  Command.withDescription("Draw the states of your tasks, as Mermaid or Graphviz text"),
  Command.withExamples([
    { command: "pg-task diagram --module ./tasks.ts", description: "A state diagram for a README" },
    {
      command: "pg-task diagram -m ./tasks.ts --live --format dot | dot -Tsvg > tasks.svg",
      description: "Where tasks are now"
    }
  ])
)
