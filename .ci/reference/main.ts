/**
 * The API reference in `docs/api`, made of the doc comments in `src`. With `--check`: fails if it is not up to date.
 *
 * Home-made, because the tools there are print less of a signature than its source says (TypeDoc), or leave links and
 * classes unresolved (Effect's docgen), and need an older TypeScript. The parser is the one that lints this project.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { readModules } from "./modules.ts"
import { renderPages } from "./page.ts"
import { project } from "./source.ts"

const folder = path.join(project, "docs/api")
const dprint = path.join(project, "node_modules/.bin/dprint")

/** Where to read more about a module. */
const guides: Readonly<Record<string, ReadonlyArray<string>>> = {
  Activity: ["dashboard"],
  Admin: ["admin", "operations"],
  Dashboard: ["dashboard", "operations"],
  Diagram: ["cli"],
  Metrics: ["telemetry", "operations"],
  Migrations: ["workers-and-deployment", "sql-reference"],
  NextStep: ["defining-tasks", "exactly-once"],
  Recurring: ["recurring-tasks"],
  Schedules: ["recurring-tasks", "cli"],
  RetryPolicy: ["retries-and-errors"],
  Step: ["defining-tasks", "retries-and-errors", "exactly-once"],
  Task: ["defining-tasks", "getting-started", "unique-keys"],
  TaskError: ["retries-and-errors", "operations"],
  Worker: ["workers-and-deployment", "telemetry", "how-it-works"],
  EmbeddedPostgres: ["testing"],
  TaskTest: ["testing"]
}

const guidesFor = (module: string): string => {
  const links = (guides[module] ?? []).map((guide) => {
    const [, title] = /^# (.*)$/m.exec(fs.readFileSync(path.join(project, "docs", `${guide}.md`), "utf8"))!
    return `[${title}](../${guide}.md)`
  })
  return links.length === 0 ? "" : `Guides: ${links.join(", ")}.`
}

const format = (file: string, input: string): string =>
  execFileSync(dprint, ["fmt", "--stdin", path.join("docs/api", file)], { cwd: project, input, encoding: "utf8" })

/** The folder as it should be. */
const render = (): ReadonlyMap<string, string> =>
  new Map([...renderPages(readModules(), guidesFor)].map(([file, text]) => [file, format(file, text)]))

/** The folder as it is. */
const present = (): ReadonlyMap<string, string> =>
  new Map(
    fs.existsSync(folder)
      ? fs.readdirSync(folder).map((file) => [file, fs.readFileSync(path.join(folder, file), "utf8")])
      : []
  )

const staleFiles = (wanted: ReadonlyMap<string, string>, found: ReadonlyMap<string, string>) =>
  [...new Set([...wanted.keys(), ...found.keys()])].filter((file) => wanted.get(file) !== found.get(file))

const write = (file: string, text: string | undefined) => {
  fs.mkdirSync(folder, { recursive: true })
  if (text === undefined) fs.rmSync(path.join(folder, file))
  else fs.writeFileSync(path.join(folder, file), text)
}

const main = (check: boolean) => {
  const wanted = render()
  const stale = staleFiles(wanted, present())
  if (!check) stale.forEach((file) => write(file, wanted.get(file)))
  else if (stale.length > 0) {
    throw new Error(`docs/api is not up to date (${stale.join(", ")}): run \`npm run docs\`, and commit`)
  }
}

try {
  main(process.argv.includes("--check"))
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
