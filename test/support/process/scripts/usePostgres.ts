/**
 * Uses the embedded Postgres in the folder given until it is told to stop. `last`: it will be the last one to use it.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as EmbeddedPostgres from "../../../../src/testing/EmbeddedPostgres.ts"
import { LeavePatience } from "../../../../src/testing/internal/membership.ts"

const program = Effect.gen(function*() {
  const { dataDir, url } = yield* EmbeddedPostgres.start({ dataDir: process.argv[2]! })
  yield* Console.log(`home ${dataDir}`)
  yield* Console.log(`ready ${url}`)
  return yield* Effect.never
})

const used = Effect.scoped(program)

NodeRuntime.runMain(process.argv[3] === "last" ? Effect.provideService(used, LeavePatience, 120_000) : used)
