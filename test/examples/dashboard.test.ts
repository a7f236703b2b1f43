import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeBrowser, openPage } from "../support/dashboard/Browser.ts"
import { makeDatabase } from "../support/database/Database.ts"
import { play } from "../support/dashboard/Fixture.ts"
import { freePort } from "../support/process/freePort.ts"
import * as Script from "../support/process/Script.ts"

import { within } from "../support/worker/Wait.ts"

it.live("npm run dashboard: orders move in the browser, until it is closed", () =>
  Effect.gen(function*() {
    const { url } = yield* makeDatabase
    const port = yield* freePort
    const script = yield* Script.run("examples/dashboard.ts", { env: { DATABASE_URL: url, PORT: String(port) } })
    const line = yield* within(script.line("The shop is open"), "the address")
    const browser = yield* makeBrowser
    const { faults, page } = yield* openPage(browser)
    yield* play(() => page.goto(/http:\S+/.exec(line)![0]))
    // An order comes to its end.
    yield* play(() => page.locator("a.node", { hasText: "Shipped" }).filter({ hasText: "ended" }).waitFor())
    assert.deepStrictEqual(faults, [])
    yield* script.kill("SIGINT")
    assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
  }), 300_000)
