/**
 * A worker process of one of two builds of a task: the second one has renamed and reshaped a state, and added another.
 * Its argument is JSON: the build, and a name. It notes each step that it runs.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as NextStep from "../../../src/NextStep.ts"
import * as Step from "../../../src/Step.ts"
import * as Task from "../../../src/Task.ts"
import * as Worker from "../../../src/Worker.ts"

/** What the test passes. */
export interface Arguments {
  readonly build: 1 | 2
  readonly name: string
}

const { build, name } = JSON.parse(process.argv[2]!) as Arguments

const note = (...seen: ReadonlyArray<number | string>) =>
  Effect.gen(function*() {
    const { id, step } = yield* Step.Context
    const sql = yield* SqlClient.SqlClient
    yield* sql`insert into ran (task, build, worker, step, seen)
      values (${id}::uuid, ${build}, ${name}, ${step}, ${seen.join(" ")})`
  }).pipe(Effect.orDie)

// ----- both builds ----------------------------------------------------------------------------------------------------

class Start extends Schema.TaggedClass<Start>()("Start", { hops: Schema.Number }) {}

/** Each move gives the row away: the next step may run in any process. */
const away = <const S extends { readonly _tag: string }>(state: S) => NextStep.delay(state, "5 millis")

const next = (hops: number) => hops === 0 ? NextStep.none : away(new Start({ hops: hops - 1 }))

// ----- the first build ------------------------------------------------------------------------------------------------

class Read extends Schema.TaggedClass<Read>()("Read", { file: Schema.String, hops: Schema.Number }) {}

const First = Task.make("Trip", [
  Step.make(Start, {
    next: [Read],
    handler: ({ hops }) => Effect.as(note(hops), away(new Read({ file: `file ${hops}`, hops })))
  }),
  Step.make(Read, { next: [Start], handler: ({ file, hops }) => Effect.as(note(file), next(hops)) })
])

// ----- the second build -----------------------------------------------------------------------------------------------

class ReadIn extends Schema.TaggedClass<ReadIn>()("ReadIn", {
  dir: Schema.String,
  file: Schema.String,
  hops: Schema.Number
}) {}
class Added extends Schema.TaggedClass<Added>()("Added", { hops: Schema.Number }) {}

const Second = Task.make("Trip", [
  Step.make(Start, {
    next: [ReadIn],
    handler: ({ hops }) => Effect.as(note(hops), away(new ReadIn({ dir: "dir", file: `file ${hops}`, hops })))
  }),
  Step.make(ReadIn, {
    next: [Added],
    from: [Step.former(Read, ({ file, hops }) => new ReadIn({ dir: "former", file, hops }))],
    handler: ({ dir, file, hops }) => Effect.as(note(dir, file), away(new Added({ hops })))
  }),
  Step.make(Added, { next: [Start], handler: ({ hops }) => Effect.as(note(hops), next(hops)) })
])

const options = { concurrency: 4, lease: "5 seconds", pollInterval: "200 millis" } as const

const worker = build === 1
  ? Worker.run({ ...options, tasks: [First] })
  : Worker.run({ ...options, tasks: [Second] })

NodeRuntime.runMain(Effect.provide(
  worker,
  PgClient.layer({ url: Redacted.make(process.env["DATABASE_URL"]!), maxConnections: 6 })
))
