import { assert, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { networkInterfaces } from "node:os"
import { fileURLToPath } from "node:url"
import { Migrations } from "../../src/index.ts"
import { runHere } from "../support/cli/cli.ts"
import { client, makeDatabase } from "../support/database/Database.ts"
import { makeBrowser, openPage } from "../support/dashboard/Browser.ts"
import { contentOf, insert, play } from "../support/dashboard/Fixture.ts"
import { send } from "../support/dashboard/Request.ts"
import { charging, rawOf } from "../support/dashboard/Shop.ts"
import { run as runScript } from "../support/process/Script.ts"
import { row } from "../support/worker/Table.ts"
import { within } from "../support/worker/Wait.ts"

const shop = fileURLToPath(new URL("../support/dashboard/Shop.ts", import.meta.url))

/** Starts the command, and returns the address that it prints. */
const startWeb = Effect.fnUntraced(function*(url: string, args: ReadonlyArray<string>) {
  const { line } = yield* runScript("src/cli/bin.ts", {
    args: ["web", "--port", "0", ...args],
    env: { DATABASE_URL: url }
  })
  const printed = yield* within(line("http://"), "the address")
  return { printed, address: /http:\S+/.exec(printed)![0] }
})

const status = (address: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.map(play(() => fetch(address, { headers, redirect: "manual" })), (answer) => answer.status)

/** This machine's addresses for others. On Linux, all of 127.0.0.0/8 is this machine. */
const otherAddresses = [
  ...Object.values(networkInterfaces()).flatMap((all) => all ?? [])
    .filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => address),
  ...(process.platform === "linux" ? ["127.0.0.2"] : [])
]

/** It listens for this machine only, and a page of another site, whose name leads here, gets nothing: not even with the token. */
const refusesOthers = Effect.fnUntraced(function*(address: string) {
  const { origin, port, search } = new URL(address)
  for (
    const host of ["evil.example", `evil.example:${port}`, `127.0.0.1.evil.example:${port}`, `localhost@evil:${port}`]
  ) {
    const { headers, status } = yield* send(origin, `/${search}`, { host })
    assert.strictEqual(status, 403, host)
    assert.isUndefined(headers["set-cookie"], host)
  }
  for (const other of otherAddresses) {
    const isAnswered = yield* play(() => fetch(`http://${other}:${port}/`).then(() => true, () => false))
    assert.isFalse(isAnswered, other)
  }
})

it.live("pg-task web lets in who has the address that it prints, and changes tasks only with --write", () =>
  Effect.gen(function*() {
    const { url } = yield* makeDatabase
    yield* Effect.gen(function*() {
      yield* Migrations.run
      const id = yield* insert(rawOf("Charge", charging(1)), { error: "'Error: refused'" })
      const reading = yield* startWeb(url, ["--module", shop])
      assert.include(reading.printed, "read only")
      const origin = new URL(reading.address).origin
      for (const page of ["/", "/rows", "/style.css", "/events", "/?token=guess"]) {
        assert.strictEqual(yield* status(`${origin}${page}`), 403, page)
      }
      yield* refusesOthers(reading.address)
      const browser = yield* makeBrowser
      const { faults, page } = yield* openPage(browser)
      yield* play(() => page.goto(reading.address))
      // The token does not stay in the address.
      assert.strictEqual(page.url(), `${origin}/`)
      yield* play(() => page.goto(`${origin}/row?id=${id}`))
      assert.include(yield* contentOf(page), "refused")
      assert.strictEqual(yield* play(() => page.getByRole("button", { name: "Retry" }).count()), 0)
      assert.deepStrictEqual(faults, [])

      const writing = yield* startWeb(url, ["--module", shop, "--write"])
      yield* play(() => page.goto(writing.address))
      yield* play(() => page.goto(`${new URL(writing.address).origin}/row?id=${id}`))
      yield* play(() => page.getByRole("button", { name: "Retry" }).click())
      yield* play(() => page.getByText("1 task will run again").waitFor())
      assert.strictEqual((yield* row(id))!.status, "ready")
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(client(url), Logger.layer([]))))
  }))

it.live("pg-task web says when it can't begin", () =>
  Effect.gen(function*() {
    const { url } = yield* makeDatabase
    const empty = yield* runHere(["web", "--port", "0", "--url", url])
    assert.strictEqual(empty.code, 3)
    assert.include(empty.err, "no table pg_task")
    yield* Effect.provide(Migrations.run, Layer.merge(client(url), Logger.layer([])))
    const taken = yield* runHere(["web", "--port", new URL(url).port, "--url", url])
    assert.strictEqual(taken.code, 2)
    assert.match(taken.err, /Port \d+ can't be used .*--port/)
    const missing = yield* runHere(["web", "--module", "./nowhere.ts", "--url", url])
    assert.include(missing.err, "nowhere.ts")
  }))
