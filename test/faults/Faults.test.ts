import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeLogbook, summary } from "./Logbook.ts"
import { runSuite } from "./Suite.ts"

/** Another one each time, so that every run of the tests looks into another corner; `FAULTS_SEED` plays one again. */
const seed = Number(process.env["FAULTS_SEED"] ?? Date.now() % 1_000_000)

it.live(
  `nothing is lost and nothing is doubled, whatever goes wrong (the short form, seed ${seed})`,
  () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const log = makeLogbook((line) => void lines.push(line))
      yield* runSuite({ seed, log, atLeast: 0, faults: 20_000, tasks: 120 })
      const report = [`seed ${seed}: ${summary(log)}`, ...log.wrongs]
      if (log.wrongs.length > 0) report.push("What happened:", ...lines)
      process.stdout.write(`${report.join("\n")}\n`)
      assert.deepStrictEqual(log.wrongs, [], `play it again with FAULTS_SEED=${seed}`)
    }),
  600_000
)
