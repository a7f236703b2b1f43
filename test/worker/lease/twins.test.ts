import { assert } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { NextStep } from "../../../src/index.ts"
import { Job, jobs, makeGate, start, workerTests } from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { gone, row, rowWhere, run } from "../../support/worker/Table.ts"
import { eventually } from "../../support/worker/Wait.ts"

/**
 * Delays the write of the outcome of a step of this name, for longer than a lock could: the worker waits for no lock
 * for long.
 */
const holdWriter = (name: string) =>
  Effect.gen(function*() {
    yield* run("create table let_go ()")
    yield* run(`create function wait_to_be_let_go() returns trigger language plpgsql as $$
      begin
        while not exists (select from let_go) loop perform pg_sleep(0.01); end loop;
        return new;
      end $$`)
    yield* run(`create trigger held before update on pg_task for each row
      when (old.is_running and old.step like '%"${name}"%') execute function wait_to_be_let_go()`)
    return {
      waits: eventually(
        run("select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"),
        (found) => found.length > 0
      ),
      letGo: run("insert into let_go default values")
    }
  })

workerTests("a row that its worker lost and claimed again", (test) => {
  test(
    "goes on once, though both attempts are stored with one statement",
    Effect.gen(function*() {
      const gates = { first: yield* makeGate, other: yield* makeGate }
      const seen = yield* Queue.unbounded<string>()
      let attempts = 0
      const Jobs = jobs(({ name }) => {
        if (name.endsWith("!")) return Effect.as(Queue.offer(seen, name), NextStep.none)
        const next = NextStep.now(new Job({ name: `${name}!` }))
        if (name === "other") return Effect.as(gates.other.enter(name), next)
        return attempts++ === 0 ? Effect.as(gates.first.enter(name), next) : Effect.succeed(next)
      })
      const logs = Logs.capture()
      yield* Effect.provide(start({ tasks: [Jobs] }), logs.layer)
      const other = yield* Jobs.enqueue(new Job({ name: "other" }))
      yield* gates.other.next
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* gates.first.next
      yield* rowWhere(other, ({ status }) => status === "running")
      yield* rowWhere(id, ({ status }) => status === "running")
      // What ends while the writer waits is stored together.
      const writer = yield* holdWriter("other")
      yield* gates.other.open
      yield* writer.waits
      yield* gates.first.open
      // What a sweep does when the lease is over.
      yield* run(
        `update pg_task set is_running = false, lease_token = null, lease_until = null,
          wakeup_at = now() - interval '1 second' where id = $1::uuid`,
        [id]
      )
      yield* eventually(Effect.sync(() => attempts), (count) => count === 2)
      yield* writer.letGo
      yield* gone(id)
      yield* gone(other)
      assert.isUndefined(yield* row(id))
      assert.sameMembers([...(yield* Queue.takeAll(seen))], ["a!", "other!"])
    })
  )
})
