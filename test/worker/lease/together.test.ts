/** Rows of one dead worker that one statement can't free together. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { NextStep } from "../../../src/index.ts"
import { Bear, Begin, Child, makeChild, makeParent, Parent, Together } from "../../support/worker/Family.ts"
import { Job, jobs, start, workerTests } from "../../support/worker/Fixture.ts"
import * as Logs from "../../support/worker/Logs.ts"
import { gone, orphan, row, rowWhere, run } from "../../support/worker/Table.ts"
import { within } from "../../support/worker/Wait.ts"

const options = { lease: "900 millis", pollInterval: "100 millis" } as const

workerTests("the rows of a dead worker", (test) => {
  test(
    "are rescued if they are a parent that is to be replaced, and its child",
    Effect.gen(function*() {
      const { id: parent } = yield* Parent.enqueue(new Begin({ names: ["old"] }), { key: "p" })
      const child = yield* Child.enqueue(new Bear({ name: "old" }))
      yield* run("update pg_task set parent = $2::uuid where id = $1::uuid", [child, parent])
      yield* orphan(parent, -1)
      yield* Parent.enqueue(new Begin({ names: [] }), { key: "p", onConflict: "replace" })
      // The statement that rescues both meets the one first that was written first.
      yield* orphan(child, -1)
      yield* start({ tasks: [makeParent(), makeChild()], ...options })
      yield* rowWhere(parent, ({ step }) => step.includes("Together"))
      assert.deepStrictEqual(yield* within(Parent.await(parent), "the result"), new Together({ seen: [] }))
      yield* within(Child.await(child), "the child")
    })
  )

  test(
    "are rescued, except one that a trigger refuses",
    Effect.gen(function*() {
      yield* run(`create function refuse() returns trigger language plpgsql as $$
begin
  raise exception 'not this one';
end $$`)
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      const ids = yield* Jobs.enqueueAll(["a", "b", "c", "d", "e"].map((name) => new Job({ name })))
      for (const id of ids) yield* orphan(id, -1)
      yield* run(`create trigger refused before update on pg_task for each row
        when (new.id = '${ids[2]}' and not new.is_running) execute function refuse()`)
      const logs = Logs.capture()
      yield* Effect.provide(start({ tasks: [Jobs], ...options }), logs.layer)
      for (const id of ids.filter((id) => id !== ids[2])) yield* gone(id)
      assert.include((yield* logs.line("can't be freed")).message, `task ${ids[2]} has expired`)
      assert.deepInclude(yield* row(ids[2]!), { status: "running", crashes: 0 })
      yield* run("drop trigger refused on pg_task")
      yield* gone(ids[2]!)
    })
  )
})
