import { cpus, totalmem } from "node:os"
import type { Bench } from "./Bench.ts"
import type { Description } from "./Commands.ts"
import { median } from "./Results.ts"
import type { Row } from "./Results.ts"
import type { Target, Workload } from "./Workload.ts"

/** A run, as the JSON file holds it. */
export interface Report {
  readonly date: string
  readonly machine: string
  readonly node: string
  readonly server: string
  readonly command: string
  readonly minutes: number
  readonly rounds: number
  readonly rows: ReadonlyArray<Row & { readonly median: number }>
  readonly targets: ReadonlyArray<{ readonly workload: number; readonly text: string; readonly verdict: string }>
  readonly errors: ReadonlyArray<string>
}

export const makeReport = (bench: Bench, workloads: ReadonlyArray<Workload>, minutes: number): Report => ({
  date: new Date().toISOString().slice(0, 10),
  machine: `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
  node: process.version,
  server: bench.server.description,
  command: ["npm run bench", ...(process.argv.length > 2 ? ["--", ...process.argv.slice(2)] : [])].join(" "),
  minutes,
  rounds: bench.options.rounds,
  rows: bench.results.rows.map((row) => ({ ...row, median: median(row.rounds) })),
  targets: workloads.flatMap(({ number, targets }) =>
    targets.map((target) => ({ workload: number, text: target.text, verdict: verdict(bench, target) }))
  ),
  errors: bench.errors
})

const verdict = (bench: Bench, { value, atLeast, atMost }: Target): string => {
  const reached = value(bench.results)
  if (reached === undefined) return "not measured"
  const ok = reached >= (atLeast ?? -Infinity) && reached <= (atMost ?? Infinity)
  const wanted = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`
  return `${number(reached)} (${wanted}): ${ok ? "ok" : "SHORT"}`
}

const number = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString("en") : value >= 100 ? value.toFixed(0) : value.toFixed(2)

/** The report as text: readable in a terminal, and Markdown. */
export const render = (report: Report, bench: Bench, workloads: ReadonlyArray<Workload>): string =>
  [
    `Machine: ${report.machine}. Node ${report.node}. Postgres: ${report.server}.`,
    `${report.date}, \`${report.command}\`, ${report.rounds} rounds, ${report.minutes.toFixed(1)} minutes.`,
    ...workloads.map((workload) => renderWorkload(report, bench, workload)),
    renderSettings(bench),
    ...(report.errors.length > 0 ? [`## What failed\n\n${report.errors.map((error) => `- ${error}`).join("\n")}`] : [])
  ].join("\n\n")

const renderWorkload = (report: Report, bench: Bench, { number: workload, title, note }: Workload): string => {
  const rows = report.rows.filter((row) => row.workload === workload)
  const measures = [...new Set(rows.map(({ measure }) => measure))]
  const subjects = [...new Set(rows.map(({ subject }) => subject))]
  const cell = (measure: string, subject: string): string => {
    const row = rows.find((row) => row.measure === measure && row.subject === subject)
    if (row === undefined) return ""
    const spread = row.rounds.length > 1
      ? ` (${number(Math.min(...row.rounds))}–${number(Math.max(...row.rounds))})`
      : ""
    return number(row.median) + spread
  }
  // Each of ours' medians divided by this subject's: what the targets are about.
  const ours = (measure: string, subject: string): string => {
    const [a, b] = ["ours", subject].map((name) => rows.find((row) => row.measure === measure && row.subject === name))
    return a === undefined || b === undefined || b.median === 0 ? "" : number(a.median / b.median)
  }
  const single = measures.length === 1
  const header = ["subject", ...measures, ...(single ? ["ours / it"] : [])]
  const lines = subjects.map((subject) => [
    bench.descriptions.get(subject)?.title ?? subject,
    ...measures.map((measure) => cell(measure, subject)),
    ...(single ? [ours(measures[0]!, subject)] : [])
  ])
  const targets = report.targets.filter((target) => target.workload === workload)
  return [
    `## (${workload}) ${title}`,
    note,
    renderTable(header, lines),
    targets.map(({ text, verdict }) => `- ${text}: ${verdict}`).join("\n")
  ].join("\n\n")
}

const renderSettings = (bench: Bench): string =>
  `## Settings\n\n${renderTable(["subject", "settings"], [...bench.descriptions.values()].map(describe))}`

const describe = (
  { title, settings, missing }: Description
): ReadonlyArray<string> => [title, missing === undefined ? settings : `not measured: it lacks ${missing}`]

const renderTable = (header: ReadonlyArray<string>, lines: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = header.map((title, i) => Math.max(title.length, ...lines.map((line) => line[i]!.length)))
  const row = (cells: ReadonlyArray<string>) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
  return [row(header), row(widths.map((width) => "-".repeat(width))), ...lines.map(row)].join("\n")
}
