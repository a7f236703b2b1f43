/** How many tasks start in a while. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Limit, NextStep, Step, Task } from "../../src/index.ts"
import { ratedSyncs, Starts } from "../support/limits/Starts.ts"
import { atTheDoor, limitedRows, makeSyncs, resetLimits, Sync, sync, Work } from "../support/limits/Syncs.ts"
import { makeGate, start, startWith, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import { empty, gone, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

const names = (count: number) => Array.from({ length: count }, (_, n) => n)

/** A worker has run one of three tasks of the key `a`, and has stopped. The others may start tomorrow. */
const oneOfThree = (starts: Starts) =>
  Effect.scoped(Effect.gen(function*() {
    const Slow = ratedSyncs({ rate: { limit: 1, per: "1 day" } }, starts.note)
    yield* start({ tasks: [Slow] })
    yield* Slow.enqueueAll(names(3).map((n) => sync("a", n)))
    yield* eventually(limitedRows, (rows) => rows.length === 2 && rows.every(({ slot }) => slot === null))
  }))

/** When moments of a rate were taken, and the earliest time of the next one, by Postgres's clock, in milliseconds. */
const moments = run<{ readonly at: number; readonly next: number }>("select at, next from moment order by id")

/** From now on, {@link moments} has all that are taken. */
const noteMoments = Effect.gen(function*() {
  yield* run("create table moment (id int generated always as identity, at float8, next float8)")
  yield* run(
    `create function note_moment() returns trigger language plpgsql as $$ begin
      insert into moment (at, next)
      values (extract(epoch from clock_timestamp()) * 1000, extract(epoch from new.next_at) * 1000);
      return null;
    end $$`
  )
  yield* run(
    `create trigger note_moment after update of next_at on pg_task_limit for each row
    execute function note_moment()`
  )
})

workerTests("a rate", (test) => {
  test(
    "lets no more tasks start in any window than it says, and those of a second, of each key, with four workers",
    Effect.gen(function*() {
      yield* resetLimits
      const starts = new Starts()
      const Syncs = ratedSyncs({ rate: { limit: 20, per: "500 millis" } }, starts.note)
      yield* Syncs.enqueueAll(names(120).map((n) => sync("ab"[n % 2]!, n)))
      const url = yield* urlOfTest
      for (let n = 0; n < 4; n++) yield* startWith(url, { tasks: [Syncs] }, { maxConnections: 4 })
      yield* Effect.forEach(names(120), (n) => Syncs.enqueue(sync("ab"[n % 2]!, 120 + n)), { concurrency: 10 })
      yield* empty
      assert.lengthOf(new Set(starts.names), 240)
      assert.lengthOf(starts.names, 240)
      // Twenty, and the forty of a second. A busy machine may run steps late, and so together: some more are allowed.
      for (const tenant of "ab") assert.isAtMost(starts.most(500, (of) => of === tenant), 20 + 40 + 25)
    })
  )

  test(
    "of less than one a second holds to the start, and in the order in which they became due",
    Effect.gen(function*() {
      yield* resetLimits
      yield* noteMoments
      const starts: Array<{ readonly name: string; readonly moments: number }> = []
      const Syncs = ratedSyncs(
        { rate: { limit: 1, per: "2 seconds" } },
        ({ name }) => Effect.map(moments, ({ length }) => void starts.push({ name, moments: length }))
      )
      yield* start({ tasks: [Syncs] })
      yield* atTheDoor("a", 3, 2_147_483_647)
      yield* empty
      assert.deepStrictEqual(starts.map(({ name }) => name), ["1", "2", "3"])
      // A busy machine may run a step late, and so nearer to the next one. But each has had its moment before, and these
      // are apart.
      starts.forEach(({ moments }, n) => assert.isAtLeast(moments, n + 1))
      const taken = yield* moments
      taken.slice(1).forEach(({ at, next }, n) => {
        assert.isAtLeast(at, taken[n]!.next)
        assert.isAtLeast(next - taken[n]!.next, 2000)
      })
      yield* run("drop trigger note_moment on pg_task_limit")
    })
  )

  test(
    "takes nothing for tasks that wait, however long: nothing that nobody ran starts at once later",
    Effect.gen(function*() {
      yield* resetLimits
      const starts = new Starts()
      const Syncs = ratedSyncs({ rate: { limit: 20, per: "1 second" } }, starts.note)
      // Some knock, and some wait at the door, for an hour already.
      yield* run(
        `insert into pg_task (step, wakeup_at, limit_key, slot, slots)
        select format('{"Syncs":{"Sync":{"tenant":"a","name":"%s"}}}', n), now() - interval '1 hour' + n * interval '1 second',
          'tenant:a', case when n % 2 = 0 then 0 end, 2147483647 from generate_series(1, 90) as n`
      )
      yield* start({ tasks: [Syncs] })
      yield* empty
      assert.isAtMost(starts.most(1000), 20 + 20 + 20)
    })
  )

  test(
    "takes a moment anew for each try",
    Effect.gen(function*() {
      yield* resetLimits
      const starts = new Starts()
      let tries = 0
      const Syncs = ratedSyncs(
        { rate: { limit: 1, per: "900 millis" } },
        (sync) =>
          Effect.andThen(starts.note(sync), Effect.suspend(() => ++tries < 4 ? Effect.fail("no") : Effect.void)),
        { retryLimit: 5, retryDelay: "1 millis" }
      )
      yield* start({ tasks: [Syncs] })
      yield* gone(yield* Syncs.enqueue(sync("a", 1)))
      assert.lengthOf(starts.names, 4)
      assert.isAtLeast(starts.span, 900)
    })
  )

  test(
    "of a chain's next state holds, and so does `running` beside it",
    Effect.gen(function*() {
      yield* resetLimits
      const starts = new Starts()
      const work = new Work()
      const both = Limit.make("both", { running: 1, rate: { limit: 10, per: "1 second" } })
      const Chains = Task.make("Syncs", [
        Step.make(Sync, {
          limit: both.by(({ tenant }) => tenant),
          next: [Sync],
          handler: (the) =>
            work.during(
              the,
              Effect.as(
                Effect.andThen(starts.note(the), Effect.sleep(5)),
                the.tenant === "b" ? NextStep.none : NextStep.now(sync("b", the.name))
              )
            )
        })
      ])
      yield* start({ tasks: [Chains] })
      yield* Chains.enqueueAll(names(15).map((n) => sync("a", n)))
      yield* empty
      assert.deepStrictEqual(Object.fromEntries(work.most), { a: 1, b: 1 })
      assert.isAtLeast(starts.span, 500)
    })
  )

  test(
    "keeps a key with very many rows out of the way of others, and they wait in no worker",
    Effect.gen(function*() {
      yield* resetLimits
      const gate = yield* makeGate
      const Syncs = ratedSyncs(
        { rate: { limit: 1, per: "1 hour" } },
        ({ name, tenant }) => gate.enter(`${tenant} ${name}`)
      )
      yield* start({ tasks: [Syncs] })
      yield* Syncs.enqueueAll(names(20_000).map((n) => sync("noisy", n)))
      assert.strictEqual(yield* gate.next, "noisy 0")
      yield* Syncs.enqueue(sync("quiet", 1))
      assert.strictEqual(yield* gate.next, "quiet 1")
      yield* Syncs.enqueue(sync("noisy", "new"))
      yield* eventually(
        limitedRows,
        (rows) => rows.filter(({ slot }) => slot === null).length === 20_000 && rows.every(({ slot }) => slot !== 0)
      )
      assert.strictEqual(yield* gate.unseen, 0)
      yield* run("delete from pg_task where not is_running")
      yield* gate.open
      yield* empty
    })
  )

  test(
    "may be changed and taken away: what the code says next holds at once",
    Effect.gen(function*() {
      yield* resetLimits
      const starts = new Starts()
      yield* oneOfThree(starts)
      const Quick = ratedSyncs({ rate: { limit: 1000, per: "1 second" } }, starts.note)
      yield* start({ tasks: [Quick] })
      yield* Quick.enqueue(sync("a", 3))
      yield* empty
      assert.sameMembers([...starts.names], ["0", "1", "2", "3"])
    })
  )

  test(
    "is not held up by a clock that was set back",
    Effect.gen(function*() {
      yield* resetLimits
      const starts = new Starts()
      const Syncs = ratedSyncs({ rate: { limit: 10, per: "1 second" } }, starts.note)
      yield* start({ tasks: [Syncs] })
      yield* gone(yield* Syncs.enqueue(sync("a", 1)))
      yield* run("update pg_task_limit set next_at = now() + interval '1 day'")
      yield* gone(yield* Syncs.enqueue(sync("a", 2)))
      assert.deepStrictEqual(starts.names, ["1", "2"])
    })
  )

  test(
    "that is gone from the code holds nobody up",
    Effect.gen(function*() {
      yield* resetLimits
      const starts = new Starts()
      yield* oneOfThree(starts)
      const Unrated = makeSyncs(starts.note, 5)
      yield* start({ tasks: [Unrated] })
      yield* Unrated.enqueue(sync("a", 3))
      yield* empty
      assert.sameMembers([...starts.names], ["0", "1", "2", "3"])
    })
  )
})
