/**
 * What the documentation shows is true: its code compiles, and its programs run.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import DOMPurify from "dompurify"
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import mermaid from "mermaid"
import { execFile } from "node:child_process"
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { makeDatabase, testDatabase } from "../support/database/Database.ts"
import * as Script from "../support/process/Script.ts"
import * as Migrations from "../../src/Migrations.ts"
import * as Snippets from "../support/docs/snippets.ts"

const pages = ["README.md", ...Snippets.filesIn("docs", ".md")]
const modules = Snippets.filesIn("src", ".ts")
const snippets = [...pages.flatMap(Snippets.inPage), ...modules.flatMap(Snippets.inComments)]

// Mermaid hands every text to its HTML sanitizer, which needs a browser. Parsing does not.
Object.assign(DOMPurify, { addHook: () => {}, sanitize: (text: string) => text })

const tsc = fileURLToPath(new URL("../../node_modules/.bin/tsc", import.meta.url))

/** tsc's messages, each with its further lines. */
const compile = (folder: string): Promise<ReadonlyArray<string>> =>
  new Promise((resolve) => {
    execFile(tsc, ["-p", folder, "--pretty", "false"], { cwd: folder, maxBuffer: 1e8 }, (_, stdout, stderr) => {
      resolve(`${stdout}${stderr}`.split(/\n(?=\S)/).filter((message) => message.trim() !== ""))
    })
  })

describe("the documentation's code", () => {
  let folder = ""
  let errors: ReadonlyArray<string> = []

  beforeAll(async () => {
    folder = Snippets.write(snippets)
    errors = await compile(folder)
  })

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const errorsIn = (source: string) =>
    snippets
      .filter((snippet) => snippet.source === source)
      .flatMap(({ file }) => errors.filter((error) => error.startsWith(`${file}(`)))

  it.each(pages)("compiles in %s", (page) => {
    assert.deepStrictEqual(errorsIn(page), [])
  })

  it.each(modules)("compiles in the comments of %s", (module) => {
    assert.deepStrictEqual(errorsIn(module), [])
  })

  it("has no other errors", () => {
    assert.deepStrictEqual(errors.filter((error) => !snippets.some(({ file }) => error.startsWith(`${file}(`))), [])
  })

  /** Runs a program of a page on a database of its own, in the page's folder of snippets. */
  const run = (url: string, file: string) =>
    Script.run(join(folder, file), { cwd: join(folder, dirname(file)), env: { DATABASE_URL: url } })

  /** What Ctrl-C does. */
  const stop = Effect.fnUntraced(function*(script: Script.Script) {
    yield* script.kill("SIGINT")
    assert.strictEqual(yield* script.exit, 130, script.lines().join("\n"))
  })

  it.live("greets, as README.md begins", () =>
    Effect.gen(function*() {
      const { url } = yield* makeDatabase
      writeFileSync(join(folder, "README_md/name.txt"), "Ada")
      const greeter = yield* run(url, "README_md/greeter.ts")
      yield* greeter.line(/^Hello, Ada$/)
      yield* stop(greeter)
    }))

  it.live("ships an order, as docs/getting-started.md goes on", () =>
    Effect.gen(function*() {
      const { url } = yield* makeDatabase
      const worker = yield* run(url, "docs_getting-started_md/worker.ts")
      yield* worker.line("Worker started")
      const shop = yield* run(url, "docs_getting-started_md/shop.ts")
      assert.strictEqual(yield* shop.exit, 0, shop.lines().join("\n"))
      assert.match(shop.lines().at(-1)!, /^order 1 is task [0-9a-f-]{36}$/)
      yield* worker.line("charged 1999 cents for order 1 (key ")
      yield* worker.line("packed order 1")
      yield* worker.line("shipped order 1")
      yield* stop(worker)
    }))
})

describe("the documentation's links", () => {
  const withoutCode = (file: string): string => readFileSync(file, "utf8").replaceAll(/^```[^]*?\n```$/gm, "")

  const headingsIn = (file: string): ReadonlyArray<string> =>
    [...withoutCode(file).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading!)

  const linksIn = (page: string): ReadonlyArray<string> => {
    const text = withoutCode(join(Snippets.project, page))
    return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!)
  }

  /** As GitHub makes them of headings: the same one is numbered from the second time on. */
  const anchorsIn = (file: string): ReadonlyArray<string> => {
    const times = new Map<string, number>()
    return headingsIn(file).map((heading) => {
      const anchor = heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
      const time = times.get(anchor) ?? 0
      times.set(anchor, time + 1)
      return time === 0 ? anchor : `${anchor}-${time}`
    })
  }

  it.each(pages)("lead somewhere from %s", (page) => {
    const isBroken = (link: string) => {
      if (/^[a-z]+:/.test(link)) return false
      const [file = "", anchor] = link.split("#")
      const target = file === "" ? join(Snippets.project, page) : join(Snippets.project, dirname(page), file)
      return !existsSync(target) || (anchor !== undefined && !anchorsIn(target).includes(anchor))
    }
    assert.deepStrictEqual(linksIn(page).filter(isBroken), [])
  })

  it.each(["docs/index.md", "docs/api/index.md"])("lead to every page beside %s", (index) => {
    const folder = dirname(index)
    const beside = pages.filter((page) => page !== index && dirname(page) === folder)
    const linked = new Set(linksIn(index).map((link) => join(folder, link)))
    assert.deepStrictEqual(beside.filter((page) => !linked.has(page)), [])
  })
})

describe("the documentation's SQL", () => {
  const blocksIn = (page: string) =>
    [...readFileSync(join(Snippets.project, page), "utf8").matchAll(/^```sql\n([^]*?)^```$/gm)].map(([, block]) =>
      block!
    )

  /** Comments may have semicolons in them. */
  const statementsIn = (block: string) =>
    block.replaceAll(/--.*$/gm, "").split(/;\s*$/m).map((statement) => statement.trim()).filter((text) => text !== "")

  const withSql = pages.filter((page) => blocksIn(page).length > 0)

  it.live.each(withSql)("works in %s", (page) =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      yield* Migrations.run
      yield* sql`create table users (id int)`
      // The task that the reference speaks of.
      yield* sql`insert into pg_task ${
        sql.insert({ id: "26df6740-847c-47b5-b0c7-9dc84fefbdb2", step: `{"Order":{"AwaitApproval":{}}}` })
      }`
      for (const statement of blocksIn(page).flatMap(statementsIn)) yield* sql.unsafe(statement)
    }).pipe(Effect.provide(testDatabase)))
})

describe("the documentation's diagrams", () => {
  const diagrams = pages.flatMap((page) =>
    [...readFileSync(join(Snippets.project, page), "utf8").matchAll(/^```mermaid\n([^]*?)^```$/gm)].map(([, text]) =>
      text!
    )
  )

  it("are drawn by Mermaid", async () => {
    assert.isNotEmpty(diagrams)
    for (const diagram of diagrams) await mermaid.parse(diagram)
  })
})
