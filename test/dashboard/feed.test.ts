/** The feed of live numbers: when it speaks, and when it ends. */
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { feed } from "../../src/dashboard/events.ts"
import type { Site } from "../../src/dashboard/site.ts"

/** Nothing is counted. */
const site: Site = {
  tasks: [],
  recurring: [],
  traceUrl: undefined,
  sampler: { looks: Effect.succeed(Stream.never), look: Effect.succeed("nothing") }
}

/** Listens until the feed ends. */
const listen = Effect.fnUntraced(function*(stopping: Effect.Effect<unknown>) {
  const { body } = yield* Effect.provideService(feed(site, null, stopping), SqlClient.SqlClient, {} as never)
  if (body._tag !== "Stream") return assert.fail(body._tag)
  let heard = ""
  const fiber = yield* Effect.forkScoped(
    Stream.runForEach(Stream.decodeText(body.stream), (text) =>
      Effect.sync(() => {
        heard += text
      }))
  )
  return { fiber, heard: () => heard }
})

it.effect("is never silent for long, and ends after ten minutes: the browser comes again, and its access is checked", () =>
  Effect.gen(function*() {
    const { fiber, heard } = yield* listen(Effect.never)
    for (let quarters = 1; quarters < 40; quarters++) {
      const before = heard()
      yield* TestClock.adjust("15 seconds")
      assert.notStrictEqual(heard(), before)
    }
    assert.match(heard(), /^retry: \d+\n\n(: still here\n\n)+$/)
    assert.isUndefined(fiber.pollUnsafe())
    yield* TestClock.adjust("15 seconds")
    assert.isDefined(fiber.pollUnsafe())
  }))

it.effect("ends when its server stops", () =>
  Effect.gen(function*() {
    const stopping = yield* Deferred.make<void>()
    const { fiber } = yield* listen(Deferred.await(stopping))
    yield* TestClock.adjust("1 minute")
    assert.isUndefined(fiber.pollUnsafe())
    yield* Deferred.succeed(stopping, undefined)
    yield* TestClock.adjust("1 second")
    assert.isDefined(fiber.pollUnsafe())
  }))
