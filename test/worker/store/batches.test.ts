import { assert } from "@effect/vitest"
import { Deferred, Effect, Fiber, Queue } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep } from "../../../src/index.ts"
import { Job, jobs, makeGate, start, workerTests } from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { empty, gone, parked, row, rowWhere, run } from "../../support/worker/Table.ts"
import { eventually } from "../../support/worker/Wait.ts"

const names = ["a", "b", "c", "bad", "e", "f", "g"]
const bad = names.indexOf("bad")

/** Steps that all wait at a gate, so that their outcomes come together. */
const together = (end: (job: Job) => Effect.Effect<NextStep.NextStep<Job>, string>) =>
  Effect.gen(function*() {
    const gate = yield* makeGate
    const logs = Logs.capture()
    let attempts = 0
    const Jobs = jobs((job) =>
      Effect.andThen(
        Effect.sync(() => attempts++),
        job.name === "end" ? Effect.succeed(NextStep.none) : Effect.andThen(gate.enter(job.name), end(job))
      ), { retryLimit: 1, retryDelay: "1 hour" })
    yield* Effect.provide(start({ tasks: [Jobs], lease: "2 seconds", pollInterval: "500 millis" }), logs.layer)
    const ids = yield* Jobs.enqueueAll(names.map((name) => new Job({ name })))
    for (const _ of names) yield* gate.next
    const others = ids.filter((_, index) => index !== bad)
    return { gate, logs, ids, bad: ids[bad]!, others, attempts: () => attempts }
  })

/** What a user's database may say of some rows. */
const withTrigger = (when: string, condition: string) =>
  Effect.acquireRelease(
    Effect.gen(function*() {
      yield* run(`create function refuse() returns trigger language plpgsql as
        $$ begin raise exception 'not this one' using hint = 'ask the owner'; end $$`)
      yield* run(`create trigger refuse before ${when} on pg_task for each row when (${condition})
        execute function refuse()`)
    }),
    () => Effect.orDie(run("drop function if exists refuse cascade"))
  )

const withConstraint = Effect.acquireRelease(
  run(`alter table pg_task add constraint no_refused check (step not like '%refused%')`),
  () => Effect.orDie(run("alter table pg_task drop constraint no_refused"))
)

const isBad = `old.step like '%"bad"%'`

workerTests("a batch of outcomes", (test) => {
  test(
    "is stored but for the row that another session holds, which follows when it is let go",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { attempts, bad, gate, others } = yield* together(() => Effect.succeed(NextStep.none))
      const locked = yield* Deferred.make<void>()
      const letGo = yield* Deferred.make<void>()
      const holding = yield* Effect.forkChild(sql.withTransaction(Effect.gen(function*() {
        yield* run("select 1 from pg_task where id = $1::uuid for update", [bad])
        yield* Deferred.succeed(locked, undefined)
        yield* Deferred.await(letGo)
      })))
      yield* Deferred.await(locked)
      yield* gate.open
      for (const id of others) yield* gone(id)
      assert.deepInclude(yield* row(bad), { status: "running" })
      yield* Deferred.succeed(letGo, undefined)
      yield* Fiber.join(holding)
      yield* gone(bad)
      assert.strictEqual(attempts(), names.length)
    })
  )

  test(
    "is stored but for the row whose deletion is refused, which is parked with the reason",
    Effect.gen(function*() {
      const { bad, gate, logs, others } = yield* together(() => Effect.succeed(NextStep.none))
      yield* withTrigger("delete", isBad)
      yield* gate.open
      for (const id of others) yield* gone(id)
      const left = yield* parked(bad)
      assert.include(left.error, "could not be stored: not this one")
      assert.deepInclude(left, { step: `{"Jobs":{"Job":{"name":"bad"}}}`, transitions: 0, token: null })
      assert.deepInclude((yield* logs.line("not this one")).annotations, { id: bad, task: "Jobs", step: "Job" })
    })
  )

  test(
    "is stored but for the row that may not move on",
    Effect.gen(function*() {
      const { bad, gate, others } = yield* together(() => Effect.succeed(NextStep.now(new Job({ name: "end" }))))
      yield* withTrigger("update", `${isBad} and new.transitions > old.transitions`)
      yield* gate.open
      for (const id of others) yield* gone(id)
      assert.include((yield* parked(bad)).error, "could not be stored: not this one")
    })
  )

  test(
    "is stored but for the row that breaks a constraint, whatever the outcomes of the others",
    Effect.gen(function*() {
      const { bad, gate, ids } = yield* together(({ name }) =>
        name === "bad" ?
          Effect.succeed(NextStep.delay(new Job({ name: "refused" }), "1 hour"))
          : name === "a" ?
          Effect.fail("again")
          : name === "b" ?
          Effect.succeed(NextStep.delay(new Job({ name }), "1 hour"))
          : Effect.succeed(NextStep.none)
      )
      yield* withConstraint
      yield* gate.open
      assert.match((yield* parked(bad)).error!, /could not be stored: .*"no_refused"/)
      yield* rowWhere(ids[0]!, ({ status, tried }) => status === "scheduled" && tried === 1)
      yield* rowWhere(ids[1]!, ({ status, transitions }) => status === "scheduled" && transitions === 1)
      for (const id of ids.filter((id) => id !== bad).slice(2)) yield* gone(id)
    })
  )

  test(
    "keeps characters that Postgres's text can't hold",
    Effect.gen(function*() {
      const seen = yield* Queue.unbounded<string>()
      const Jobs = jobs(({ name }) =>
        Effect.as(
          Queue.offer(seen, name),
          name === "NUL" ?
            NextStep.now(new Job({ name: "a\0b" }))
            : name === "half" ?
            NextStep.delay(new Job({ name: "a\ud83db" }), 1)
            : NextStep.none
        )
      )
      yield* start({ tasks: [Jobs] })
      for (const name of ["NUL", "half"]) yield* gone(yield* Jobs.enqueue(new Job({ name })))
      assert.deepStrictEqual(yield* Queue.takeAll(seen), ["NUL", "a\0b", "half", "a\ud83db"])
    })
  )

  test(
    "is stored but for the row that the database won't let go at all: it runs again when it does",
    Effect.gen(function*() {
      const { attempts, bad, gate, logs, others } = yield* together(() => Effect.succeed(NextStep.none))
      yield* withTrigger("update or delete", `${isBad} and old.is_running`)
      yield* gate.open
      for (const id of others) yield* gone(id)
      yield* logs.line(`The outcome of task ${bad} could not be stored: not this one`)
      assert.deepInclude(yield* row(bad), { status: "running", error: null })
      yield* run("drop function refuse cascade")
      yield* gone(bad)
      assert.strictEqual(attempts(), names.length + 1)
    })
  )

  test(
    "of hundreds, with many of them refused, is stored all the same",
    Effect.gen(function*() {
      const Jobs = jobs(({ name }) =>
        Effect.succeed(name.startsWith("bad") ? NextStep.now(new Job({ name: "refused" })) : NextStep.none)
      )
      yield* withConstraint
      yield* Jobs.enqueueAll(
        Array.from({ length: 500 }, (_, n) => new Job({ name: n % 7 === 0 ? `bad ${n}` : `good ${n}` }))
      )
      yield* start({ tasks: [Jobs] })
      const left = yield* eventually(
        run<{ error: string | null; step: string }>("select error, step from pg_task"),
        (found) => found.length === 72 && found.every(({ error }) => error !== null)
      )
      assert.isTrue(left.every(({ step }) => step.includes("bad")))
      yield* run("truncate pg_task")
      yield* gone(yield* Jobs.enqueue(new Job({ name: "good" })))
      yield* empty
    })
  )
})
