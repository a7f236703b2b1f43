/**
 * `npm run test:faults -- --minutes 30 --seed 1`: the suite for as long as you like.
 *
 * `--faults locks,failover` plays rounds of these kinds only. `--rolling 5` plays a rolling deploy of five minutes in
 * place of it.
 */
import { Effect } from "effect"
import { parseArgs } from "node:util"
import { inventory, makeLogbook, summary } from "./RunLog.ts"
import { rollingDeploy } from "./RollingDeploy.ts"
import { type Kind, kinds, runSuite } from "./Suite.ts"

const { values } = parseArgs({
  options: {
    faults: { type: "string", default: kinds.join() },
    rolling: { type: "string" },
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) }
  }
})
const seed = Number(values.seed)
const minutes = Number(values.minutes)
const asked = values.faults.split(",")
const unknown = asked.find((name) => !kinds.some((kind) => kind === name))
if (unknown !== undefined) throw new Error(`there are no faults "${unknown}": there are ${kinds.join()}`)

const print = (line: string) => void process.stdout.write(`${line}\n`)
const log = makeLogbook(print)
print(`seed ${seed}, ${minutes} minutes: ${asked.join()}`)

const suite = runSuite({
  kinds: asked as ReadonlyArray<Kind>,
  seed,
  log,
  atLeast: minutes * 60_000,
  faults: 60_000,
  tasks: 250
})

const main = values.rolling === undefined ? suite : rollingDeploy(Number(values.rolling) * 60_000, log)

Effect.runPromise(main).then(
  () => {
    for (const wrong of log.wrongs) print(`WRONG: ${wrong}`)
    print(`In all: ${inventory(log)}`)
    print(log.wrongs.length === 0 ? "Nothing is lost, and nothing is doubled." : `FAILED with seed ${seed}`)
    print(`seed ${seed}: ${summary(log)}`)
    process.exitCode = log.wrongs.length === 0 ? 0 : 1
    return undefined
  },
  (error: unknown) => {
    print(`FAILED with seed ${seed}: ${String(error)}`)
    process.exitCode = 1
  }
)
