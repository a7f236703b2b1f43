/**
 * The life of a row, as a model: random commands on the real table, and after each of them every column of every row is
 * compared with what a small model of it says.
 *
 * Producers and people use the API and the documentation's SQL. The two workers are the library's own statements and
 * its own runner (`WorkerStatements.ts`), but not its dispatcher, pool and writer: those decide when something is done, and here
 * the commands do. So a life is the same each time, goes through every order of events (a lost lease in the middle of
 * a batch, the late result of an attempt while the next one runs), and can be shrunk: what is printed on failure is
 * about the shortest list of commands that fails. The faults (`test/faults`) test whole workers.
 *
 * `effect/Arbitrary`, which is Effect's own fast-check, generates and shrinks. Environment variables:
 *
 * - `MODEL_RUNS`: how many lives. Default 120.
 * - `MODEL_SEED`: other lives than the usual ones.
 * - `MODEL_REPLAY`: the token that a failure has printed, to see just that one again.
 */
import { assert, layer } from "@effect/vitest"
import { Arbitrary, Effect } from "effect"
import { run } from "../support/worker/Table.ts"
import { database } from "../support/worker/Fixture.ts"
import { life } from "./Commands.ts"
import { live } from "./Scenario.ts"
import { createNotes } from "./ModelTasks.ts"

const env = (name: string): string | undefined => process.env[name] === "" ? undefined : process.env[name]

const seed = env("MODEL_SEED") ?? "a row's life"
const runs = Number(env("MODEL_RUNS") ?? 120)

layer(database, { excludeTestServices: true })("a row's life", (it) => {
  it.effect(
    "is what the model says, whatever happens to it",
    () =>
      Effect.gen(function*() {
        yield* run(createNotes)
        const options = { runs, seed, size: 200, maxShrinks: 500, replay: env("MODEL_REPLAY") }
        const result = yield* Arbitrary.checkEffect(life, live, options)
        const failure = Arbitrary.formatCheckFailure(result)
        if (failure !== undefined) assert.fail(`${failure}\nSeed: ${seed}`)
      }),
    24 * 3_600_000
  )
})
