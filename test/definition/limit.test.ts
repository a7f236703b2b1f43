/** What is refused where a limit is defined. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Schema } from "effect"
import { Limit, NextStep, Step, TaskError } from "../../src/index.ts"

class Sync extends Schema.TaggedClass<Sync>()("Sync", { tenant: Schema.String }) {}

const messageOf = (define: () => unknown): string => {
  try {
    define()
  } catch (error) {
    assert.instanceOf(error, TaskError.TaskDefinitionError)
    return (error as Error).message
  }
  return "it was not refused"
}

const handler = () => Effect.succeed(NextStep.none)

describe("a limit", () => {
  it("needs a name without a colon", () => {
    for (const name of ["", "a:b", "x".repeat(101), "a\0", 3 as unknown as string]) {
      const message = messageOf(() => Limit.make(name, { running: 1 }))
      assert.include(message, "its name must be a text of 1 to 100 characters, without \":\"")
    }
  })

  it("needs a whole number of 1 to 10,000", () => {
    for (const running of [0, -1, 1.5, 10_001, NaN, Infinity, "2" as unknown as number]) {
      const message = messageOf(() => Limit.make("stripe", { running }))
      assert.strictEqual(
        message,
        `Limit "stripe": \`running\` must be a whole number of 1 to 10000, not ${String(running)}`
      )
    }
  })

  it("needs a rate of so many in so long", () => {
    const rates: ReadonlyArray<unknown> = [
      5,
      {},
      { limit: 0, per: "1 second" },
      { limit: 1.5, per: "1 second" },
      { limit: 1_000_001, per: "1 second" },
      { limit: 5, per: "0 millis" },
      { limit: 5, per: "367 days" },
      { limit: 5, per: "soon" },
      { limit: 5 }
    ]
    for (const rate of rates) {
      const message = messageOf(() => Limit.make("stripe", { rate: rate as never }))
      assert.strictEqual(
        message,
        "Limit \"stripe\": `rate` must be { limit, per }: a whole number of 1 to 1000000, and a duration of 1 millisecond "
          + "to 366 days"
      )
    }
    assert.include(messageOf(() => Limit.make("stripe", {} as never)), "give it `running`, or a `rate`, or both")
    const { rate, running } = Limit.make("stripe", { rate: { limit: 100, per: "1 minute" } })
    assert.deepStrictEqual([rate?.limit, rate && Duration.toMillis(rate.per), running], [100, 60_000, undefined])
  })

  it("needs functions for its keys", () => {
    const Tenant = Limit.make("tenant", { running: 1 })
    assert.include(messageOf(() => Tenant.by("tenant" as never)), "a function that returns the key of a state")
    const running = 3 as never
    assert.include(messageOf(() => Tenant.by(() => "a", { running })), "must be a function of the state")
  })

  it("is what `limit` takes, and nothing else is", () => {
    const Tenant = Limit.make("tenant", { running: 1 })
    assert.isTrue(Limit.isLimit(Tenant))
    assert.isTrue(Limit.isLimit(Tenant.by(() => "a")))
    assert.isFalse(Limit.isLimit({ name: "tenant", running: 1 }))
    const message = messageOf(() => Step.make(Sync, { limit: { name: "tenant" } as never, handler }))
    assert.strictEqual(
      message,
      "Step \"Sync\": `limit` must be made with Limit.make, or with the `by` of such a limit"
    )
  })
})
