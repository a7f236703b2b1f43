/**
 * What the documentation names is there: commands of `pg-task`, scripts of npm, metrics. And no kind of code block is
 * left out by all the tests of the documentation.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Layer, Metric } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { randomUUID } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Metrics from "../../src/Metrics.ts"
import * as Migrations from "../../src/Migrations.ts"
import { runHere } from "../support/cli/cli.ts"
import { client, makeDatabase } from "../support/database/Database.ts"
import * as Snippets from "../support/docs/snippets.ts"

const read = (file: string): string => readFileSync(join(Snippets.project, file), "utf8")

const pages = ["README.md", "AGENTS.md", ...Snippets.filesIn("docs", ".md")]
const text = pages.map(read).join("\n")

/** All that a pattern's group finds, each once. */
const named = (pattern: RegExp): ReadonlyArray<string> => [
  ...new Set([...text.matchAll(pattern)].map(([, name]) => name!.trim()))
]

describe("the documentation", () => {
  it("has npx run this package, by its own name", () => {
    // Where the library is not installed, npx takes the package of a name from the registry, whoever has it there.
    const warned = pages.flatMap((page) => Array.from(read(page).matchAll(/.*\bnpx pg-task\b/g), ([line]) => line))
    assert.isTrue(warned.length === 1 && warned[0]!.endsWith("Don't type `npx pg-task"), warned.join("\n"))
  })

  it("has only code that a test looks at, or that is none of ours", () => {
    // A fence within a list or with another name would be overlooked by the tests that compile, run, parse or draw.
    const checked = ["```ts", "```ts continued", "```ts signature", "```sql", "```mermaid", "```json"]
    // What the guide on large tables runs: a test runs it, too.
    const migrating = ["```sql drop", "```sql move", "```sql psql"]
    const unchecked = ["```sh", "```text", "```promql"]
    const fences = pages.flatMap((page) =>
      read(page).split("\n").filter((line) => /^\s*(```|~~~)/.test(line)).filter((_, index) => index % 2 === 0)
    )
    const known = [...checked, ...migrating, ...unchecked]
    assert.sameMembers([...new Set([...known, ...fences])], known)
  })

  it("shows valid JSON", () => {
    for (const block of named(/^```json\n([^]*?)^```$/gm)) JSON.parse(block)
  })

  it("names scripts that there are", () => {
    const { scripts } = JSON.parse(read("package.json")) as { readonly scripts: Record<string, string> }
    assert.includeMembers(Object.keys(scripts), [...named(/npm run ([\w:-]+)/g)])
  })

  it("names metrics that there are", () => {
    const others = [
      "pg_task_changed",
      "pg_task_migrations",
      "pg_task_status",
      "pg_task_history",
      "pg_task_limit",
      "pg_task_paused",
      "pg_task_signal",
      "pg_task_ended",
      "pg_task_make_room"
    ]
    const metrics = Object.values(Metrics).flatMap((each) => Metric.isMetric(each) ? [each.id] : [])
    const suffixes = /_(bucket|sum|count)$/
    assert.includeMembers(
      [...others, ...metrics],
      named(/\b(pg_task_[a-z_]+)\b/g).map((name) => metrics.includes(name) ? name : name.replace(suffixes, ""))
    )
  })
})

class Url extends Context.Service<Url, string>()("Url") {}

const id = "018f4e1e-5d0c-7000-8000-000000000000"

/** A task that waits for a signal, as the guides have it, and a schedule. */
const others = `insert into pg_task (id, step, key, wakeup_at, waits_for, updated_at) values
  ('5d0bb27f-9c1e-4b6e-8f0a-3c1d2e4f5a6b', '{"Order":{"AwaitApproval":{"order":"42"}}}', 'order-42', 'infinity',
    '{Approved}', now() - interval '3 days'),
  (gen_random_uuid(), '{"nightly-report":{"$schedule":{"cron":"0 3 * * *","timeZone":"UTC","version":0}}}', 'tenant-7',
    now() + interval '1 hour', null, now())`

layer(Layer.unwrap(Effect.map(makeDatabase, ({ url }) => Layer.merge(client(url), Layer.succeed(Url, url)))), {
  excludeTestServices: true
})("the documentation's commands", (it) => {
  // `watch`, `web` and `--wait` don't end, and modules are the reader's. So are variables and other placeholders.
  const isComplete = (command: string) => !/^watch|^web|--wait$|--module| -m |[$…]|<(?!id>)/.test(command)
  const commands = named(/(?:`|^(?=npx ))(?:npx effect-)?pg-task ([a-z].*?)(?=`| [#|>&]|$)/gm).filter(isComplete)

  it.effect.each(commands)("work: pg-task %s", (command) =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      yield* Migrations.run
      yield* sql`truncate pg_task`
      const row = { id, step: `{"Greeter":{"ReadName":{"filename":"name.txt"}}}`, error: "ENOENT: no such file" }
      yield* sql`insert into pg_task ${sql.insert([row, { ...row, id: randomUUID(), error: "connect: timeout" }])}`
      yield* sql.unsafe(others)
      const words = command.replaceAll("<id>", id).match(/'[^']*'|"[^"]*"|\S+/g) ?? []
      const args = words.map((word) => word.replaceAll(/^(['"])(.*)\1$/g, "$2"))
      const ended = yield* runHere([...args, "--url", yield* Url], { keys: ["y", "enter"] })
      assert.strictEqual(ended.code, 0, `${ended.out}\n${ended.err}`)
    }))
})
