import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { NextStep } from "../../../src/index.ts"
import { Job, jobs, start, workerTests } from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { gone, parked, run } from "../../support/worker/Table.ts"
import { eventually } from "../../support/worker/Wait.ts"

const Jobs = jobs(() => Effect.succeed(NextStep.none))

/** A trigger of the user's own, with an error code that Postgres doesn't know. */
const refuse = (when: string, condition: string) =>
  Effect.acquireRelease(
    Effect.gen(function*() {
      yield* run("create sequence refused")
      yield* run(`create function refuse() returns trigger language plpgsql as $$ begin
        perform nextval('refused');
        raise exception 'not this one' using errcode = 'AP001';
      end $$`)
      yield* run(`create trigger refuse before ${when} on pg_task for each row when (${condition})
        execute function refuse()`)
    }),
    () => Effect.orDie(Effect.andThen(run("drop function refuse cascade"), run("drop sequence refused")))
  )

workerTests("what the database refuses", (test) => {
  test(
    "with a code of the user's own affects only its row",
    Effect.gen(function*() {
      yield* refuse("delete", `old.step like '%bad%'`)
      const ids = yield* Jobs.enqueueAll(["a", "bad", "b"].map((name) => new Job({ name })))
      yield* start({ tasks: [Jobs] })
      assert.include((yield* parked(ids[1]!)).error, "not this one")
      yield* gone(ids[0]!)
      yield* gone(ids[2]!)
    })
  )

  test(
    "of a claim is tried again, ever more rarely",
    Effect.gen(function*() {
      yield* refuse("update", "new.is_running and not old.is_running")
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      const begun = performance.now()
      yield* start({ tasks: [Jobs] })
      yield* eventually(run<{ n: number }>("select last_value::int as n from refused"), ([found]) => found!.n >= 5)
      // 50, 100, 200 and 400 ms between five of them.
      assert.isAbove(performance.now() - begun, 700)
      yield* run("drop trigger refuse on pg_task")
      yield* gone(id)
    })
  )
})

workerTests("rows that are due at the end of time", (test) => {
  test(
    "wait there, and those due since its beginning run first",
    Effect.gen(function*() {
      const logs = Logs.capture()
      const ran: Array<string> = []
      const Named = jobs(({ name }) => {
        ran.push(name)
        return Effect.succeed(NextStep.none)
      })
      const [never, always] = yield* Named.enqueueAll(["never", "always"].map((name) => new Job({ name })))
      yield* run("update pg_task set wakeup_at = 'infinity' where id = $1", [never])
      yield* run("update pg_task set wakeup_at = '-infinity' where id = $1", [always])
      const usual = yield* Named.enqueue(new Job({ name: "usual" }))
      yield* Effect.provide(start({ tasks: [Named] }), logs.layer)
      yield* gone(always!)
      yield* gone(usual)
      yield* gone(yield* Named.enqueue(new Job({ name: "later" })))
      assert.deepStrictEqual(ran, ["always", "usual", "later"])
      assert.deepStrictEqual(yield* run("select id, tried, is_running from pg_task"), [
        { id: never, tried: 0, is_running: false }
      ])
      assert.deepStrictEqual(logs.find("Database lost"), [])
    })
  )
})
