import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Deploy from "../../Deploy.ts"
import { connected } from "../connection.ts"
import { UnfitStates } from "../exit.ts"
import { Json, module } from "../input/flags.ts"
import { countRows, withoutServices, withProgress } from "../input/states.ts"
import { loadRecurring, loadTasks } from "../input/tasksModule.ts"
import * as Output from "../output/print.ts"
import { formatCount, oneLine, plural } from "../output/text.ts"

const unfitLines = ({ count, example, message, step, task }: Deploy.UnfitRows, style: Output.Style) => [
  `${style.red(formatCount(count))}  ${oneLine(task ?? "?")}  ${oneLine(step ?? "?")}  ${
    style.dim(`such as ${example.slice(0, 8)}`)
  }`,
  ...message.trim().split("\n").map((line) => `    ${oneLine(line)}`)
]

const formerLine = ({ count, former, step, task }: Deploy.FormerRows, style: Output.Style) =>
  count === 0
    ? `${oneLine(task)}  ${oneLine(former)} → ${oneLine(step)}: ${style.dim("no rows, so it can go")}`
    : `${oneLine(task)}  ${oneLine(former)} → ${oneLine(step)}: ${plural(count, "row")}`

const section = (title: string, lines: ReadonlyArray<string>, style: Output.Style) =>
  lines.length === 0 ? [] : [style.bold(title), ...lines.map((line) => `  ${line}`), ""]

const describe = ({ checked, formers, otherTasks, unfit }: Deploy.CheckReport, style: Output.Style) => [
  ...section("FIT NO STATE", unfit.flatMap((group) => unfitLines(group, style)), style),
  ...section("FORMER STATES", formers.map((one) => formerLine(one, style)), style),
  ...section(
    "TASKS THAT ARE NOT IN THIS MODULE",
    otherTasks.map(({ count, task }) => `${oneLine(task)}: ${plural(count, "row")}`),
    style
  ),
  `${plural(checked, "row")} checked`
]

/** The schedules of a recurring task are rows under its name: it is in the module, too. */
const withoutSchedules = (report: Deploy.CheckReport, recurring: ReadonlyArray<{ readonly name: string }>) => ({
  ...report,
  otherTasks: report.otherTasks.filter(({ task }) => !recurring.some(({ name }) => name === task))
})

export const check = Command.make(
  "check",
  { module },
  Effect.fnUntraced(function*({ module }) {
    const tasks = withoutServices(yield* loadTasks(module))
    const recurring = yield* loadRecurring(module)
    const report = yield* connected(Effect.gen(function*() {
      const total = yield* countRows(tasks)
      const found = yield* withProgress(total, (onProgress) => Deploy.check(tasks, { onProgress }))
      return withoutSchedules(found, recurring)
    }))
    if (yield* Json) yield* Output.json(report)
    else {
      const style = yield* Output.style
      yield* Console.log(describe(report, style).join("\n"))
    }
    const unfit = report.unfit.reduce((sum, { count }) => sum + count, 0)
    if (unfit > 0) {
      return yield* new UnfitStates({
        message: `${plural(unfit, "row")} of ${formatCount(report.checked)} fit no state of ${module}. `
          + "Before you deploy it, take them over by former states (Step.former), or change or cancel these rows"
      })
    }
  })
).pipe(
  Command.withDescription("Decode every row with your code, before you deploy it: does each fit a state?"),
  Command.withExamples([
    { command: "pg-task check --module ./tasks.ts", description: "Exit code 1 if a row fits no state" }
  ])
)
