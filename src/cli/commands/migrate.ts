import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Migrations from "../../Migrations.ts"
import { connected, databaseName, limits, within } from "../connection.ts"
import { Json } from "../input/flags.ts"
import * as Output from "../output/print.ts"
import { plural } from "../output/text.ts"

const apply = Effect.gen(function*() {
  const applied = yield* connected(within(limits.write)(Migrations.run))
  if (yield* Json) return yield* Output.json({ applied: applied.map(([, name]) => name) })
  const where = yield* databaseName
  yield* Console.log(
    applied.length === 0 ?
      `${where}: up to date already`
      : `${where}: applied ${plural(applied.length, "migration")} (${applied.map(([, name]) => name).join(", ")})`
  )
})

export const migrate = Command.make(
  "migrate",
  {
    print: Flag.Boolean("print").pipe(
      Flag.withDescription("Print the SQL, and touch no database"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function*({ print }) {
    if (!print) return yield* apply
    yield* (yield* Json) ? Output.json({ sql: Migrations.script }) : Console.log(Migrations.script.trimEnd())
  })
).pipe(
  Command.withDescription("Make the table pg_task, or bring it up to date"),
  Command.withExamples([
    { command: "pg-task migrate", description: "Apply what hasn't been applied yet" },
    { command: "pg-task migrate --print | psql $DATABASE_URL", description: "The same with psql" }
  ])
)
