import { assert, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { inventory, makeLogbook, summary } from "./RunLog.ts"
import { makeRandom } from "./Random.ts"
import { type Kind, kinds, runSuite } from "./Suite.ts"

/** Another one each time, so that every run of the tests looks into another corner; `FAULTS_SEED` plays one again. */
const seed = Number(process.env["FAULTS_SEED"] ?? Date.now() % 1_000_000)

/** The short form plays one of the rounds without crashes; another one each time. */
const drawn = makeRandom(seed).fork("kinds").pick(kinds.slice(2))
const played: ReadonlyArray<Kind> = ["calm", "wild", drawn]

it.live(
  `nothing is lost and nothing is doubled, whatever goes wrong (the short form with ${drawn}, seed ${seed})`,
  () => {
    const lines: Array<string> = []
    const log = makeLogbook((line) => void lines.push(line))
    // Also when it takes too long: what it was at by then tells why.
    const report = (exit: Exit.Exit<unknown, unknown>) => {
      const failed = Exit.isFailure(exit) || log.wrongs.length > 0
      const story = failed ? ["What happened:", ...lines, `In all: ${inventory(log)}`] : []
      process.stdout.write(`${[...story, `FAULTS_SEED=${seed}: ${summary(log)}`].join("\n")}\n`)
    }
    return runSuite({ kinds: played, seed, log, atLeast: 0, faults: 25_000, tasks: 120 }).pipe(
      Effect.onExit((exit) => Effect.sync(() => report(exit))),
      Effect.andThen(
        Effect.sync(() => assert.deepStrictEqual(log.wrongs, [], `play it again with FAULTS_SEED=${seed}`))
      )
    )
  },
  // It takes two minutes, or three. The limit is for broken code only: a machine may have much else to do.
  1_800_000
)
