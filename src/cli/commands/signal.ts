import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Admin from "../../Admin.ts"
import { connected, limits, within } from "../connection.ts"
import { id, Json, optional, optionalModule } from "../input/flags.ts"
import { checkSignalWith } from "../input/tasksModule.ts"
import * as Output from "../output/print.ts"
import { oneLine } from "../output/text.ts"

interface Options {
  readonly dedupe: string | undefined
  readonly module: string | undefined
}

const send = Effect.fnUntraced(function*(given: string, signal: string, fields: string, { dedupe, module }: Options) {
  const row = yield* within(limits.read)(Effect.flatMap(Admin.findId(given), Admin.get))
  if (module !== undefined) yield* checkSignalWith(module, row.task ?? "?", { signal, fields })
  yield* within(limits.read)(Admin.signal(row.id, signal, fields, { dedupe }))
  if (yield* Json) return yield* Output.json({ id: row.id, signal })
  yield* Console.log(`Sent ${oneLine(signal)} to ${row.id}`)
  if (row.status !== "waiting" || row.waitsFor?.includes(signal) === true) return
  yield* Output.note(`It doesn't wait for that now: the signal is kept until it does`)
})

export const signal = Command.make(
  "signal",
  {
    id,
    signal: Argument.String("signal").pipe(Argument.withDescription("The tag of the signal")),
    fields: Argument.String("fields").pipe(
      Argument.withDescription("The fields of the signal, as JSON. Default {}"),
      Argument.withDefault("{}")
    ),
    dedupe: optional(
      Flag.String("dedupe").pipe(
        Flag.withMetavar("key"),
        Flag.withDescription("A second signal with the same key changes nothing")
      )
    ),
    module: optionalModule
  },
  ({ dedupe, fields, id, module, signal }) => connected(send(id, signal, fields, { dedupe, module }))
).pipe(
  Command.withDescription("Send a signal to a task. With --module, the signal's schema checks it"),
  Command.withExamples([
    { command: `pg-task signal 5d0bb27f Approved '{"by":"ada"}'`, description: "What a waiting task waits for" },
    { command: `pg-task signal 5d0bb27f Approved '{"by":"ada"}' -m ./tasks.ts`, description: "Checked by its schema" }
  ])
)
