/**
 * Measures every subject in every workload, in turn, on one server, and prints the result as a table.
 *
 *   npm run bench -- [--only 1,3] [--peers ours,graphile] [--rounds 3] [--quick] [--long] [--json FILE] [--write]
 */
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Bench } from "./Bench.ts"
import { makeReport, render } from "./Report.ts"
import { startServer } from "./Server.ts"
import { now, subjectNames } from "./Subject.ts"
import type { SubjectName } from "./Subject.ts"
import { workloads } from "./workloads/index.ts"

const { values } = parseArgs({
  options: {
    /** Numbers of workloads. Default: all. */
    only: { type: "string" },
    /** Names of subjects; the floors always take part. Default: all. */
    peers: { type: "string" },
    rounds: { type: "string", default: "3" },
    /** A tenth of the size, to see that everything works. */
    quick: { type: "boolean", default: false },
    long: { type: "boolean", default: false },
    json: { type: "string", default: fileURLToPath(new URL("../results.json", import.meta.url)) },
    /** Also writes the result to docs/benchmarks.md. */
    write: { type: "boolean", default: false }
  }
})

const chosen = values.only === undefined
  ? workloads
  : workloads.filter(({ number }) => values.only!.split(",").includes(String(number)))
const peers = values.peers?.split(",")
const unknown = peers?.filter((name) => !subjectNames.includes(name as SubjectName)) ?? []
if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(", ")}; there are ${subjectNames.join(", ")}`)

const start = now()
const server = await startServer()
const bench = new Bench(server, {
  peers: subjectNames.filter((name) => peers === undefined || name.startsWith("floor") || peers.includes(name)),
  rounds: Number(values.rounds),
  divisor: values.quick ? 10 : 1,
  long: values.long
})
let text = ""
try {
  for (const [index, workload] of chosen.entries()) {
    await bench.run(workload)
    text = save(chosen.slice(0, index + 1))
  }
} finally {
  await server.close()
}
console.log(text)

/** After each workload: a long run that is interrupted has measured something. */
function save(done: typeof chosen): string {
  const report = makeReport(bench, done, (now() - start) / 60_000)
  const text = render(report, bench, done)
  writeFileSync(values.json, JSON.stringify(report, null, 2) + "\n")
  if (values.write) write(text)
  return text
}

function write(text: string): void {
  const root = fileURLToPath(new URL("../../..", import.meta.url))
  const intro = readFileSync(new URL("../intro.md", import.meta.url), "utf8")
  writeFileSync(`${root}/docs/benchmarks.md`, `${intro}\n${text}\n`)
  execFileSync("npx", ["dprint", "fmt", "docs/benchmarks.md"], { cwd: root })
}
