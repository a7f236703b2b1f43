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
try {
  for (const workload of chosen) await bench.run(workload)
} finally {
  await server.close()
}

const report = makeReport(bench, chosen, (now() - start) / 60_000)
const text = render(report, bench, chosen)
console.log(text)
writeFileSync(values.json, JSON.stringify(report, null, 2) + "\n")
if (values.write) write(text)

function write(text: string): void {
  const root = fileURLToPath(new URL("../../..", import.meta.url))
  const intro = readFileSync(new URL("../intro.md", import.meta.url), "utf8")
  writeFileSync(`${root}/docs/benchmarks.md`, `${intro}\n${text}\n`)
  execFileSync("npx", ["dprint", "fmt", "docs/benchmarks.md"], { cwd: root })
}
