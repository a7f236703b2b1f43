// Clients that their projects have set up in other ways.
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, Logger, Queue, Redacted, Schema, String } from "effect"
import { Migrations, NextStep, Step, Task } from "../../src/index.ts"
import { makeDatabase, testDatabaseWith } from "../support/database/Database.ts"
import { start } from "../support/worker/Fixture.ts"
import { parked, rows } from "../support/worker/Table.ts"
import { within } from "../support/worker/Wait.ts"

class ReadName extends Schema.TaggedClass<ReadName>()("ReadName", { firstName: Schema.String }) {}
class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { full_name: Schema.String }) {}

const name = (firstName: string) => new ReadName({ firstName })
const textOf = (firstName: string) => `{"Greeter":{"ReadName":{"firstName":"${firstName}"}}}`

/** Greets all but Bob. */
const greeter = Effect.map(Queue.unbounded<string>(), (greeted) => ({
  greeted,
  Greeter: Task.make("Greeter", [
    Step.make(ReadName, {
      next: [SayHello],
      handler: ({ firstName }) => Effect.succeed(NextStep.now(new SayHello({ full_name: firstName })))
    }),
    Step.make(SayHello, {
      handler: ({ full_name }) =>
        full_name === "Bob" ? Effect.fail("not Bob") : Effect.as(Queue.offer(greeted, full_name), NextStep.none)
    })
  ])
}))

describe("a client that renames columns makes no difference", () => {
  const transforms = {
    "to camel case": { transformResultNames: String.snakeToCamel, transformQueryNames: String.camelToSnake },
    "to upper case": { transformResultNames: String.toUpperCase, transformQueryNames: String.toLowerCase }
  }
  for (const [title, transform] of Object.entries(transforms)) {
    it.live(title, () =>
      Effect.flatMap(makeDatabase, ({ url }) =>
        Effect.gen(function*() {
          yield* Migrations.run
          assert.deepStrictEqual(yield* Migrations.run, [])
          const { Greeter, greeted } = yield* greeter
          const ids = [
            yield* Greeter.enqueue(name("Ada")),
            yield* Greeter.delay(name("Eve"), 0),
            ...(yield* Greeter.enqueueAll([name("Zoe"), name("Bob")]))
          ]
          assert.sameMembers((yield* rows).map(({ id }) => id), ids)
          yield* start({ tasks: [Greeter] })
          assert.sameMembers(yield* within(Queue.takeN(greeted, 3), "the greetings"), ["Ada", "Eve", "Zoe"])
          assert.strictEqual((yield* parked(ids[3]!)).error, "not Bob")
        }).pipe(
          Effect.scoped,
          Effect.provide([PgClient.layer({ url: Redacted.make(url), ...transform }), Logger.layer([])])
        )))
  }
})

const pipelining = Layer.provideMerge(Migrations.layer, testDatabaseWith({ multiplex: true }))

layer(pipelining, { excludeTestServices: true })("a client that pipelines", (it) => {
  it.effect("gives each task its own id, too", () =>
    Effect.gen(function*() {
      const { Greeter } = yield* greeter
      const names = Array.from({ length: 200 }, (_, n) => `${n}`)
      const ids = yield* Effect.forEach(names, (each) => Greeter.enqueue(name(each)), { concurrency: "unbounded" })
      const byId = new Map((yield* rows).map(({ id, step }) => [id, step]))
      assert.deepStrictEqual(ids.map((id) => byId.get(id)), names.map(textOf))
    }))
})
