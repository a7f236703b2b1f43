/**
 * The examples that end by themselves: run as their npm scripts run them, each on a database of its own.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeDatabase } from "../support/database/Database.ts"
import * as Script from "../support/process/Script.ts"

/** A Vitest within a Vitest must not take itself for a worker of the outer one. */
const vitestOfItsOwn = { VITEST: "", VITEST_WORKER_ID: "", VITEST_POOL_ID: "", VITEST_MODE: "", NODE_ENV: "test" }

const run = (example: string) =>
  Effect.gen(function*() {
    const { url } = yield* makeDatabase
    return yield* Script.run(example, { env: { DATABASE_URL: url } })
  })

describe("npm run delay", () => {
  it.live("lets three sleep at the same time, and each wake up in its time", () =>
    Effect.gen(function*() {
      const script = yield* run("examples/delay.ts")
      assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
      assert.deepStrictEqual(
        script.lines().filter((line) => /^Sleeping|^Woke/.test(line)),
        [3, 1, 2].map((n) => `Sleeping for ${n} s`).concat([1, 2, 3].map((n) => `Woke up after ${n} s`))
      )
      assert.include(script.lines().at(-1), "All are awake, and no row is left.")
    }))

  it.live("wakes those up that an earlier run left asleep", () =>
    Effect.gen(function*() {
      const { url } = yield* makeDatabase
      const env = { DATABASE_URL: url }
      const first = yield* Script.run("examples/delay.ts", { env })
      yield* first.line("Sleeping for 2 s")
      yield* first.kill("SIGINT")
      assert.strictEqual(yield* first.exit, 0)

      const second = yield* Script.run("examples/delay.ts", { env })
      assert.strictEqual(yield* second.exit, 0, second.lines().join("\n"))
      const woken = [...first.lines(), ...second.lines()].filter((line) => line.startsWith("Woke"))
      assert.strictEqual(woken.length, 6)
    }))
})

describe("npm run keys", () => {
  it.live("builds each page once, with the last price", () =>
    Effect.gen(function*() {
      const script = yield* run("examples/keys.ts")
      assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
      assert.deepStrictEqual(
        script.lines().filter((line) => /^Tea|^Built/.test(line)).toSorted((a, b) => a.localeCompare(b)),
        [
          "Built the page of coffee for 20",
          "Built the page of tea for 12",
          "Tea costs 10: stored",
          "Tea costs 11: replaced",
          "Tea costs 12: replaced"
        ]
      )
    }))
})

describe("npm run limits", () => {
  it.live(
    "fetches the quiet tenant's page before most of the noisy one's, and no faster than the API allows",
    () =>
      Effect.gen(function*() {
        const script = yield* run("examples/limits.ts")
        assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
        const find = (pattern: RegExp) => script.lines().flatMap((line) => pattern.exec(line)?.[1] ?? [])
        const [before] = find(/^The quiet tenant has its page; noisy ones so far: (\d+)$/)
        assert.isBelow(Number(before), 290)
        assert.lengthOf(find(/^(The API has had enough) of the noisy tenant/), 1)
        const [rate] = find(/^Fetched 300 of the noisy tenant, ([\d.]+) a second$/)
        assert.isAtMost(Number(rate), 45)
      })
  )
})

describe("npm run recurring", () => {
  it.live("reports once a second", () =>
    Effect.gen(function*() {
      const script = yield* run("examples/recurring.ts")
      assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
      const reports = script.lines().filter((line) => line.startsWith("Report of "))
      assert.isAtLeast(reports.length, 3)
      assert.strictEqual(new Set(reports).size, reports.length)
    }))
})

describe("npm run counter", () => {
  it.live("counts to 1,000, and says how fast", () =>
    Effect.gen(function*() {
      const script = yield* run("examples/counter.ts")
      assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
      const [start, done, ...rest] = script.lines().filter((line) => line.startsWith("1..1000"))
      assert.strictEqual(start, "1..1000: start")
      assert.match(done!, /^1\.\.1000: done in [\d.]+ s, \d+ steps per second$/)
      assert.deepStrictEqual(rest, [])
    }))
})

/** What an example prints, without its log lines and the address of its database. */
const printed = (lines: ReadonlyArray<string>) =>
  lines.filter((line) => !/^\d\d:\d\d:\d\d |^The database is at/.test(line))

describe("npm run outbox", () => {
  it.live("sends a mail for each order that was committed, and for no other", () =>
    Effect.gen(function*() {
      const script = yield* run("examples/outbox.ts")
      assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
      assert.deepStrictEqual(printed(script.lines()), [
        "Rolled back: no unicorns in stock, so no mail either",
        "Mail: your order of apples is confirmed",
        "Mail: your order of pears is confirmed",
        "Orders in the database: apples, pears"
      ])
    }))
})

describe("npm run cancel", () => {
  it.live("interrupts the step that runs, whose finalizers clean up", () =>
    Effect.gen(function*() {
      const script = yield* run("examples/cancel.ts")
      assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
      const lines = printed(script.lines())
      assert.strictEqual(lines[0], "Rendering Metropolis, which takes a day")
      // The step may hear of it before the statement that cancelled it has its answer.
      assert.sameMembers(lines.slice(1, 3), ["Cancelled", "Interrupted: removing the half of the film that is there"])
      assert.deepStrictEqual(lines.slice(3), ["No row is left, and nothing is tried again"])
    }))
})

describe("npm run http", () => {
  it.live("answers at once, and lets the worker beside it do the slow part", () =>
    Effect.gen(function*() {
      const script = yield* run("examples/http.ts")
      assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
      const lines = printed(script.lines())
      assert.strictEqual(lines[0], "GET /ready: 200 {\"alive\":true}")
      // The worker may be faster than the answer.
      assert.sameMembers(lines.slice(1), ["POST /photos: 202", "The worker resizes cat.jpg"])
    }))
})

describe("npm run retry", () => {
  it.live("tries a busy bank again, and parks a declined card at once", () =>
    Effect.gen(function*() {
      const script = yield* run("examples/retry.ts")
      assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
      const lines = printed(script.lines())
      const chargesOf = (card: string) => lines.filter((line) => line.startsWith(`Charging the ${card} card`))
      assert.deepStrictEqual(chargesOf("expired"), ["Charging the expired card, try 1"])
      assert.deepStrictEqual(chargesOf("good"), [1, 2, 3].map((n) => `Charging the good card, try ${n}`))
      assert.deepStrictEqual(lines.slice(-2), ["Receipts: good", `Parked after 1 try: Declined: {"card":"expired"}`])
    }))
})

describe("npm run producer", () => {
  it.live("stores tasks by their declaration, which another program runs", () =>
    Effect.gen(function*() {
      const script = yield* run("examples/producer.ts")
      assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
      const lines = printed(script.lines())
      assert.strictEqual(lines[0], "Producer: stored 2 tasks, and loaded no handler")
      const photos = ["cat.jpg", "dog.jpg"]
      assert.sameMembers(
        lines.filter((line) => line.startsWith("Worker: ")),
        photos.flatMap((photo) => [`Worker: shrinks ${photo}`, `Worker: publishes ${photo}`])
      )
      assert.include(lines, "Producer: the worker has done both")
    }))
})

describe("npm run album", () => {
  it.live("shrinks each picture, and then has an album of all of them", () =>
    Effect.gen(function*() {
      const script = yield* run("examples/album.ts")
      assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
      const lines = printed(script.lines())
      assert.sameMembers(lines.slice(0, -1), ["cat", "dog", "owl"].map((picture) => `shrinks ${picture}`))
      assert.strictEqual(lines.at(-1), "The album: cat.small, dog.small, owl.small")
    }))
})

describe("npm run approval", () => {
  it.live("waits for an answer, reminds of it, and refuses at the deadline", () =>
    Effect.gen(function*() {
      const script = yield* run("examples/approval.ts")
      assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
      const lines = printed(script.lines())
      const linesOf = (order: string) => lines.filter((line) => line.startsWith(`${order}: `))
      const [mail, reminder] = ["a mail to the manager", "a reminder to the manager"]
      const expected = {
        tea: [mail, "approved by Ada", "shipped"],
        coffee: [mail, reminder, "approved by Ada", "shipped"],
        cocoa: [mail, reminder, "refused, for nobody answered"]
      }
      for (const [order, ends] of Object.entries(expected)) {
        assert.deepStrictEqual(linesOf(order), ends.map((end) => `${order}: ${end}`))
      }
      assert.strictEqual(lines.length, 10)
    }))
})

describe("npm run execute", () => {
  it.live("answers with the result of a task, which requests with one key share", () =>
    Effect.gen(function*() {
      const script = yield* run("examples/execute.ts")
      assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
      assert.sameMembers(printed(script.lines()), [
        "The worker looks at cat.jpg",
        "The worker looks at notes.txt",
        ...Array.from({ length: 3 }, () => `cat.jpg: 200 {"thumbnail":"cat.small.jpg"}`),
        `notes.txt: 422 {"why":"notes.txt is no photo"}`
      ])
    }))
})

describe("npm run workers", () => {
  it.live("sends all mails while a report takes the other worker's only slot", () =>
    Effect.gen(function*() {
      const script = yield* run("examples/workers.ts")
      assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
      const lines = printed(script.lines())
      const allSent = lines.indexOf("All mails are sent, while the first report has not ended")
      assert.includeMembers(lines.slice(0, allSent), ["Ada", "Grace", "Edsger"].map((to) => `Mail to ${to}: sent`))
      assert.deepStrictEqual(
        lines.filter((line) => line.startsWith("Report")),
        ["May", "June"].flatMap((month) => [`Report of ${month}: begun`, `Report of ${month}: done`])
      )
      assert.isAbove(lines.indexOf("Report of May: done"), allSent)
    }))
})

describe("npm run testing", () => {
  it.live("runs the tests of a task", () =>
    Effect.gen(function*() {
      const args = ["run", "--root", "examples/testing", "--reporter", "verbose", "--no-color"]
      const script = yield* Script.run("node_modules/vitest/vitest.mjs", { args, env: vitestOfItsOwn })
      assert.strictEqual(yield* script.exit, 0, script.lines().join("\n"))
      const passed = script.lines().filter((line) => line.includes("✓")).map((line) =>
        / > (.*?)(?: \d+ms)?$/.exec(line)?.[1]
      )
      assert.sameMembers(passed, [
        "an invoice > is followed by a reminder, unless it was paid",
        "an invoice > waits two weeks before the reminder",
        "an invoice > is parked when the mail bounces twice"
      ])
    }))
})
