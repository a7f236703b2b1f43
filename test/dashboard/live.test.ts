import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { connect, createServer, type Socket } from "node:net"
import { run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"
import { dashboardTests, insert, play, visit } from "../support/dashboard/Fixture.ts"
import { as, serve } from "../support/dashboard/Server.ts"
import { Order, rawOf } from "../support/dashboard/Shop.ts"

/** A proxy that can cut all connections. */
const makeProxy = (target: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const open = new Set<Socket>()
      const server = createServer((from) => {
        const to = connect(Number(new URL(target).port), "127.0.0.1")
        for (const socket of [from, to]) {
          open.add(socket)
          socket.on("close", () => open.delete(socket)).on("error", () => socket.destroy())
        }
        from.pipe(to).pipe(from)
        from.on("close", () => to.destroy())
        to.on("close", () => from.destroy())
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const { port } = server.address() as { readonly port: number }
      return {
        url: target.replace(/:\d+\//, `:${port}/`),
        cut: () => open.forEach((socket) => socket.destroy()),
        server
      }
    }),
    ({ cut, server }) =>
      Effect.sync(() => {
        server.close()
        cut()
      })
  )

dashboardTests("live numbers", (test) => {
  test(
    "follow the table, also after the connection was lost",
    Effect.gen(function*() {
      yield* insert(rawOf("Pack", { order: 1 }))
      const proxy = yield* makeProxy(yield* serve({ tasks: [Order], access: as("ada", "read") }))
      const { page } = yield* visit()
      yield* play(() => page.goto(proxy.url))
      const node = page.locator("a.node", { hasText: "Pack" })
      const state = page.locator("[data-feed-state]")
      yield* play(() => state.filter({ hasText: "live" }).waitFor())
      yield* insert(rawOf("Pack", { order: 2 }), { error: "'Error: x'" })
      yield* play(() => node.filter({ hasText: "1 parked of 2" }).waitFor())
      assert.strictEqual(yield* play(() => node.getAttribute("data-mood")), "parked")

      yield* play(() =>
        page.evaluate(() => {
          const states: Array<string> = []
          Object.assign(globalThis, { states })
          const element = document.querySelector("[data-feed-state]")!
          new MutationObserver(() => states.push(element.textContent)).observe(element, { childList: true })
        })
      )
      proxy.cut()
      yield* eventually(
        play(() => page.evaluate(() => (globalThis as unknown as { states: ReadonlyArray<string> }).states)),
        (states) => states.includes("reconnecting") && states.at(-1) === "live"
      )
      yield* insert(rawOf("Pack", { order: 3 }), { error: "'Error: x'" })
      yield* play(() => node.filter({ hasText: "2 parked of 3" }).waitFor())
    })
  )

  test(
    "say when there are none, and go on by themselves",
    Effect.gen(function*() {
      yield* insert(rawOf("Pack", { order: 1 }))
      const url = yield* serve({ tasks: [Order], access: as("ada", "read") })
      const { page } = yield* visit()
      yield* play(() => page.goto(url))
      const node = page.locator("a.node", { hasText: "Pack" })
      const state = page.locator("[data-feed-state]")
      yield* play(() => state.filter({ hasText: "live" }).waitFor())
      yield* Effect.acquireUseRelease(
        run("alter table pg_task rename to pg_task_away"),
        () => play(() => state.filter({ hasText: "no numbers" }).waitFor()),
        () => Effect.orDie(run("alter table pg_task_away rename to pg_task"))
      )
      yield* play(() => state.filter({ hasText: "live" }).waitFor())
      yield* insert(rawOf("Pack", { order: 2 }))
      yield* play(() => node.filter({ hasText: "2 ready" }).waitFor())
    })
  )
})
