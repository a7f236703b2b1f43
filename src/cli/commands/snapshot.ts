import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import * as Deploy from "../../Deploy.ts"
import { ModuleError, UnfitStates } from "../exit.ts"
import { Json, module } from "../input/flags.ts"
import { loadTasks } from "../input/tasksModule.ts"
import { self } from "../output/ownCommand.ts"
import * as Output from "../output/print.ts"
import { oneLine, plural } from "../output/text.ts"

const read = (file: string) =>
  Effect.try({
    try: () => JSON.parse(readFileSync(file, "utf8")) as unknown,
    catch: (error) => new ModuleError({ message: `${file} can't be read: ${oneLine(String(error))}` })
  }).pipe(
    Effect.flatMap((found) =>
      Deploy.isSnapshot(found)
        ? Effect.succeed(found)
        : new ModuleError({ message: `${file} was not written by \`${self("snapshot")}\`` })
    )
  )

const write = (file: string, text: string) =>
  Effect.try({
    try: () => writeFileSync(file, text),
    catch: (error) => new ModuleError({ message: `${file} can't be written: ${oneLine(String(error))}` })
  })

const lineOf = ({ message, state, task }: Deploy.Incompatibility) =>
  oneLine(`${task}${state === undefined ? "" : `, state "${state}"`}: ${message}`)

/** Compares the file with the module. */
const compareWith = Effect.fnUntraced(function*(file: string, now: Deploy.Snapshot) {
  const before = yield* read(file)
  const found = Deploy.compare(before, now)
  const upToDate = JSON.stringify(before) === JSON.stringify(now)
  if (yield* Json) yield* Output.json({ incompatible: found, upToDate })
  else if (found.length > 0) yield* Console.log(found.map(lineOf).join("\n"))
  else yield* Console.log(`Rows of ${file} can be decoded by this code`)
  if (found.length > 0) {
    return yield* new UnfitStates({
      message: `${plural(found.length, "change")} that older rows can't be decoded with. A new shape needs a new tag, `
        + "and Step.former for the old one"
    })
  }
  if (!upToDate) {
    yield* Output.note(`${file} is out of date: run \`${self("snapshot")}\`, and commit it with the change`)
  }
})

export const snapshot = Command.make(
  "snapshot",
  {
    module,
    file: Flag.String("file").pipe(
      Flag.withMetavar("path"),
      Flag.withDescription("Where the snapshot is. Default pg-task.states.json"),
      Flag.withDefault("pg-task.states.json")
    ),
    check: Flag.Boolean("check").pipe(
      Flag.withDescription("Only compare: exit code 1 if older rows can't be decoded any more"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function*({ check, file, module }) {
    const now = Deploy.snapshot(yield* loadTasks(module))
    if (check) return yield* compareWith(file, now)
    yield* write(file, `${JSON.stringify(now, null, 2)}\n`)
    const states = Object.values(now.tasks).reduce((sum, one) => sum + Object.keys(one).length, 0)
    yield* (yield* Json) ? Output.json({ file, states }) : Console.log(`${file}: ${plural(states, "state")}`)
  })
).pipe(
  Command.withDescription("Write the shapes of all states into a file for your repository, or compare with it"),
  Command.withExamples([
    { command: "pg-task snapshot --module ./tasks.ts", description: "Commit the file with each change of states" },
    { command: "pg-task snapshot --module ./tasks.ts --check", description: "In CI: is each change compatible?" }
  ])
)
