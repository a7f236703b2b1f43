/** What tests of the dashboard need: a table, and a browser that they share. */
import type { PgClient } from "@effect/sql-pg"
import { layer } from "@effect/vitest"
import { Context, Effect, Layer, type Scope } from "effect"
import type { SqlClient } from "effect/sql"
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core"
import { database } from "../worker/Fixture.ts"
import { run } from "../worker/Table.ts"
import { makeBrowser, openPage } from "./Browser.ts"

/** The browser of a test file. */
export class SharedBrowser extends Context.Service<SharedBrowser, Browser>()("test/SharedBrowser") {}

type Services = PgClient.PgClient | SqlClient.SqlClient | SharedBrowser

type Test = <A, E>(name: string, body: Effect.Effect<A, E, Services | Scope.Scope>, timeout?: number) => void

/** Tests in a browser, on one database; each begins with an empty table. */
export const dashboardTests = (name: string, tests: (test: Test) => void): void =>
  layer(Layer.merge(database, Layer.effect(SharedBrowser, makeBrowser)), { excludeTestServices: true })(
    name,
    (it) =>
      tests((name, body, timeout) => {
        it.effect(name, () => Effect.andThen(run("truncate pg_task"), body), timeout)
      })
  )

/** A page of the shared browser. */
export const visit = (options?: BrowserContextOptions) =>
  Effect.flatMap(SharedBrowser, (browser) => openPage(browser, options))

/** What a page does, as an effect: a timeout is a defect. */
export const play = <A>(action: () => Promise<A>): Effect.Effect<A> => Effect.promise(action)

/** Clicks on what leads to another page, and waits until all of that page is there. A click alone may end before. */
export const follow = (link: Locator): Effect.Effect<unknown> =>
  play(() => Promise.all([link.page().waitForEvent("domcontentloaded"), link.click()]))

/** The text of the page's content, once all of it is there. */
export const contentOf = (page: Page): Effect.Effect<string> =>
  play(async () => {
    await page.waitForLoadState("domcontentloaded")
    return await page.locator("main").innerText()
  })

/** Inserts a row, as SQL would. */
export const insert = (raw: string, columns: Readonly<Record<string, string>> = {}) =>
  Effect.map(
    run<{ readonly id: string }>(
      `insert into pg_task (${["step", ...Object.keys(columns)].join(", ")})
values (${["$1", ...Object.values(columns)].join(", ")}) returning id::text as id`,
      [raw]
    ),
    (rows) => rows[0]!.id
  )
