import { assert } from "@effect/vitest"
import { Effect, Queue, Schema } from "effect"
import { NextStep, Recurring, Schedules, Step, Task } from "../../src/index.ts"
import { contentOf, dashboardTests, follow, insert, play, visit } from "../support/dashboard/Fixture.ts"
import { postAs } from "../support/dashboard/Request.ts"
import { as, serve } from "../support/dashboard/Server.ts"
import { start } from "../support/worker/Fixture.ts"
import { within } from "../support/worker/Wait.ts"

class Build extends Schema.TaggedClass<Build>()("Build", { name: Schema.String }) {}

const built = Effect.runSync(Queue.unbounded<string>())

const Report = Task.make("Report", [
  Step.make(Build, { handler: ({ name }) => Effect.as(Queue.offer(built, name), NextStep.none) })
])

const Nightly = Recurring.make("nightly", {
  cron: "0 3 1 1 *",
  timeZone: "Europe/Berlin",
  task: Report,
  state: ({ name }) => new Build({ name })
})

/** A schedule whose recurring task is in no code any more. */
const removed = insert(
  JSON.stringify({ removed: { $schedule: { cron: "0 4 * * *", timeZone: "UTC", next: "2030-01-01T04:00:00Z" } } }),
  { key: "'removed'", wakeup_at: "'2030-01-01T04:00:00Z'" }
)

const pausedOnes = Effect.map(
  Schedules.list,
  (all) => all.filter(({ paused }) => paused).map(({ name }) => name)
)

dashboardTests("schedules", (test) => {
  test(
    "are shown, paused, resumed and run now",
    Effect.gen(function*() {
      yield* start({ tasks: [Report, Nightly] })
      yield* Nightly.schedule("tenant-7", { cron: "0 6 * * 1", timeZone: "America/Chicago" })
      yield* removed
      const url = yield* serve({ tasks: [Report, Nightly], access: as("ada", "write") })
      const { faults, page } = yield* visit()
      const line = page.locator("tbody tr", { hasText: "tenant-7" })
      const press = (name: string) => follow(line.getByRole("button", { name }))
      yield* play(() => page.goto(url))
      // They are no machines.
      assert.notInclude(yield* contentOf(page), "Not among the tasks")
      yield* follow(page.getByRole("link", { name: "Schedules" }))
      assert.include(yield* play(() => line.innerText()), "America/Chicago")
      assert.include(yield* contentOf(page), "Europe/Berlin")
      const others = page.locator("tbody tr", { hasText: "Not among the recurring tasks" })
      assert.include(yield* play(() => others.innerText()), "removed")

      yield* press("Pause")
      yield* play(() => page.getByText("1 schedule paused").waitFor())
      assert.deepStrictEqual(yield* pausedOnes, ["tenant-7"])
      assert.include(yield* play(() => line.innerText()), "paused")
      yield* press("Resume")
      yield* play(() => page.getByText("1 schedule resumed").waitFor())
      assert.deepStrictEqual(yield* pausedOnes, [])
      yield* press("Run now")
      yield* play(() => page.getByText("1 schedule due now").waitFor())
      assert.strictEqual(yield* within(Queue.take(built), "the tick"), "tenant-7")
      assert.deepStrictEqual(faults, [])
    })
  )

  test(
    "are changed only by those who may, one at a time",
    Effect.gen(function*() {
      yield* Nightly.schedule("tenant-7", { cron: "0 6 * * 1" })
      yield* Nightly.schedule("tenant-8", { cron: "0 6 * * 1" })
      const fields = { recurring: "nightly", name: "tenant-7", change: "pause" }
      const cases = [["read", 0], [["runNow"], 2], [["pause"], 2], ["write", 4]] as const
      for (const [may, buttons] of cases) {
        const url = yield* serve({ tasks: [], access: as("eve", may) })
        const { page } = yield* visit()
        yield* play(() => page.goto(`${url}schedules`))
        assert.strictEqual(yield* play(() => page.locator("main button").count()), buttons)
        const isAllowed = may === "write" || may[0] === "pause"
        assert.strictEqual((yield* postAs(url, "schedule", fields)).status, isAllowed ? 303 : 403)
        assert.deepStrictEqual(yield* pausedOnes, isAllowed ? ["tenant-7"] : [])
      }
      const url = yield* serve({ tasks: [], access: as("ada", "write") })
      const { name: _, ...nameless } = fields
      assert.strictEqual((yield* postAs(url, "schedule", nameless)).status, 400)
      assert.strictEqual((yield* postAs(url, "schedule", { ...fields, change: "constructor" })).status, 400)
      assert.strictEqual((yield* postAs(url, "schedule", { ...fields, name: "nobody" })).status, 409)
      assert.deepStrictEqual(yield* pausedOnes, ["tenant-7"])
    })
  )
})
