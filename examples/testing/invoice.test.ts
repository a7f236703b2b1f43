/**
 * `npm run testing`: a task is tested on a real Postgres. `TaskTest.runAll` runs its steps one after the other, and the
 * two weeks between them pass at once. Each test runs in a transaction that is rolled back, so none sees another's rows.
 */
import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { Migrations } from "effect-pg-task"
import { EmbeddedPostgres, TaskTest } from "effect-pg-task/testing"
import { Bounced, Invoice, Post, Remind, Send } from "./invoice.ts"

/** Keeps what is sent. Ada pays, and nothing reaches Eve. */
const makePost = () => {
  const sent: Array<string> = []
  const post = Post.of({
    send: (to, text) =>
      to === "Eve" ? Effect.fail(new Bounced({ to })) : Effect.sync(() => void sent.push(`${to}: ${text}`)),
    isPaid: (to) => Effect.succeed(to === "Ada")
  })
  return { post, sent }
}

const Database = Migrations.layer.pipe(Layer.provideMerge(EmbeddedPostgres.layer()))

layer(Database)("an invoice", (it) => {
  it.effect("is followed by a reminder, unless it was paid", () =>
    Effect.gen(function*() {
      const { post, sent } = makePost()
      yield* Invoice.enqueueAll([new Send({ to: "Ada" }), new Send({ to: "Bob" })])
      const results = yield* TaskTest.runAll({ tasks: [Invoice] }).pipe(Effect.provideService(Post, post))
      assert.deepStrictEqual(results.map(({ _tag }) => _tag), ["Delayed", "Delayed", "Finished", "Finished"])
      assert.deepStrictEqual(sent, ["Ada: Your invoice", "Bob: Your invoice", "Bob: Your invoice, again"])
    }).pipe(TaskTest.rolledBack))

  it.effect("waits two weeks before the reminder", () =>
    Effect.gen(function*() {
      yield* Invoice.enqueue(new Send({ to: "Bob" }))
      yield* TaskTest.runAll({ tasks: [Invoice], delays: "leave" }).pipe(Effect.provideService(Post, makePost().post))
      const [row] = yield* TaskTest.enqueued(Invoice)
      assert.deepStrictEqual(row?.state, new Remind({ to: "Bob" }))
      assert.deepStrictEqual(row?.dueIn, Duration.days(14))
    }).pipe(TaskTest.rolledBack))

  it.effect("is parked when the mail bounces twice", () =>
    Effect.gen(function*() {
      yield* Invoice.enqueue(new Send({ to: "Eve" }))
      const results = yield* TaskTest.runAll({ tasks: [Invoice] }).pipe(Effect.provideService(Post, makePost().post))
      assert.deepStrictEqual(results.map(({ _tag }) => _tag), ["Retried", "Parked"])
      const [row] = yield* TaskTest.enqueued(Invoice)
      assert.match(row?.error ?? "", /^Bounced/)
    }).pipe(TaskTest.rolledBack))
})
