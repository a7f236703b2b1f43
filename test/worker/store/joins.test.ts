/** Who tells a parent that its children have ended: in every order, whoever fails to, and no more often than needed. */
import { assert } from "@effect/vitest"
import { Effect, Latch, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { Admin, NextStep, Step, Task } from "../../../src/index.ts"
import { findForgotten, wakeParents } from "../../../src/internal/sql/children.ts"
import { deleteExpired } from "../../../src/internal/sql/results.ts"
import { ExtraFollowUps, type FollowUp } from "../../../src/internal/worker/afterCommit.ts"
import { ParentsLook } from "../../../src/internal/worker/followUps.ts"
import {
  Bear,
  Begin,
  Child,
  childrenOf,
  endChild,
  Gather,
  gathers,
  makeChild,
  makeParent,
  Parent,
  Together
} from "../../support/worker/Family.ts"
import { start, workerTests } from "../../support/worker/Fixture.ts"
import { run } from "../../support/worker/Table.ts"
import { eventually, within } from "../../support/worker/Wait.ts"

/** A child ends (`A`, `B`), and whoever has ended it looks (`a`, `b`): only after its own commit. */
const orders = ["AaBb", "ABab", "ABba", "BbAa", "BAba", "BAab"]

/** Which looks a crash suppresses. */
const losses = ["", "a", "b", "ab"]

/** A look sees no open child. */
const sees = (order: string, look: string) => order.indexOf(look) > Math.max(order.indexOf("A"), order.indexOf("B"))

const quick = Effect.provideService(ParentsLook, 20)
const never = Effect.provideService(ParentsLook, Infinity)

/** Plays one order on a parent of its own, and returns what it comes to. */
const play = (order: string, lost: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const id = yield* Parent.enqueue(new Begin({ names: ["A", "B"] }))
    yield* gathers(id)
    const [a, b] = yield* childrenOf(id)
    const events: Record<string, Effect.Effect<unknown, SqlError, SqlClient.SqlClient>> = {
      A: endChild(a!),
      B: endChild(b!),
      a: wakeParents(sql, [id]),
      b: wakeParents(sql, [id])
    }
    for (const event of order) if (!lost.includes(event)) yield* events[event]!
    const told = ["a", "b"].some((look) => sees(order, look) && !lost.includes(look))
    const forgotten = (yield* findForgotten(sql)).map(({ id }) => id)
    if (!told) {
      assert.deepStrictEqual<ReadonlyArray<string>>(forgotten, [id], `${order} without ${lost}`)
      yield* wakeParents(sql, forgotten)
    }
    const result = yield* within(Parent.await(id), `${order} without "${lost}"`)
    const [row] = yield* run<{ transitions: number }>("select transitions from pg_task where id = $1::uuid", [id])
    return { result, transitions: row!.transitions }
  })

workerTests("the two last children", (test) => {
  test(
    "wake their parent once, in whatever order they end and look, and whichever look is lost",
    Effect.gen(function*() {
      yield* never(start({ tasks: [makeParent()] }))
      for (const [order, lost] of orders.flatMap((order) => losses.map((lost) => [order, lost] as const))) {
        const { result, transitions } = yield* play(order, lost)
        assert.deepStrictEqual(result, new Together({ seen: ["by hand", "by hand"] }))
        assert.strictEqual(transitions, 2)
      }
    })
  )
})

workerTests("a parent that nobody tells", (test) => {
  test(
    "is found by a look, after its children were deleted by hand",
    Effect.gen(function*() {
      yield* quick(start({ tasks: [makeParent()], pollInterval: "1 hour" }))
      const id = yield* Parent.enqueue(new Begin({ names: ["a", "b"] }))
      yield* gathers(id)
      yield* run("delete from pg_task where parent = $1::uuid", [id])
      assert.deepStrictEqual(yield* within(Parent.await(id), "the result"), new Together({ seen: ["Gone", "Gone"] }))
    })
  )

  test(
    "is looked for by one of the workers, and not by each",
    Effect.gen(function*() {
      const looks: Array<number> = []
      const looking = (worker: number): ReadonlyArray<FollowUp> => [
        { concerns: () => false, work: () => Effect.sync(() => void looks.push(worker)), every: 20 }
      ]
      for (const worker of [1, 2, 3]) {
        yield* start({ tasks: [makeParent()], pollInterval: "400 millis" }).pipe(
          Effect.provideService(ExtraFollowUps, looking(worker))
        )
      }
      // Once they know of each other. From time to time each one looks, whatever it was told: if all looked, it would be
      // ten each.
      const most = () => Math.max(...[1, 2, 3].map((worker) => looks.slice(-30).filter((one) => one === worker).length))
      yield* eventually(Effect.sync(most), (count) => count >= 20)
    })
  )
})

workerTests("a parent of many", (test) => {
  test(
    "is written when the last one has ended, and not for each of them",
    Effect.gen(function*() {
      yield* run("create table written (id uuid)")
      yield* run(`create function note_written() returns trigger language plpgsql as
        'begin insert into written values (new.id); return null; end'`)
      yield* run("create trigger written after update on pg_task for each row execute function note_written()")
      const gate = yield* Latch.make()
      yield* never(start({ tasks: [makeChild(gate.await), makeParent()], concurrency: 20 }))
      const id = yield* Parent.enqueue(new Begin({ names: Array.from({ length: 2000 }, (_, n) => String(n)) }))
      yield* gathers(id)
      yield* run("truncate written")
      yield* gate.open
      yield* within(Parent.await(id), "the result")
      yield* run("drop trigger written on pg_task")
      const [found] = yield* run<{ count: number }>(
        "select count(*)::int as count from written where id = $1::uuid",
        [id]
      )
      // To wake it, to claim it, to end it; to mark it as awaited; and two workers' looks may both see none open.
      assert.isAtMost(found!.count, 6)
      yield* run("drop table written")
    })
  )
})

workerTests("the results of children", (test) => {
  test(
    "are kept until their parent has moved on, however short they were to be kept",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* never(start({ tasks: [makeParent()] }))
      const id = yield* Parent.enqueue(new Begin({ names: ["a", "b"] }))
      yield* gathers(id)
      const [a, b] = yield* childrenOf(id)
      yield* endChild(a!)
      yield* run("update pg_task set kept_until = now() - interval '1 minute' where id = $1::uuid", [a])
      yield* deleteExpired(sql)
      assert.sameMembers([...yield* childrenOf(id)], [a!, b!])
      yield* endChild(b!)
      yield* wakeParents(sql, [id])
      const result = yield* within(Parent.await(id), "the result")
      assert.deepStrictEqual(result, new Together({ seen: ["by hand", "by hand"] }))
      yield* deleteExpired(sql)
      const left = yield* run<{ id: string }>("select id::text from pg_task where task = 'Child'")
      assert.deepStrictEqual(left.map(({ id }) => id), [b])
    })
  )
})

class Rest extends Schema.TaggedClass<Rest>()("Rest", {}) {}

/** It waits without its children once they have ended. */
const Resting = Task.make("Resting", [
  Step.make(Begin, {
    next: [Gather],
    handler: ({ names }) =>
      Effect.succeed(NextStep.now(new Gather({ children: names.map((name) => Child.child(new Bear({ name }))) })))
  }),
  Step.wait(Gather, (on) => [
    on.children({ next: [Rest], handler: () => Effect.succeed(NextStep.now(new Rest())) })
  ]),
  Step.wait(Rest, (on) => [on.timeout("1 day", { handler: () => Effect.succeed(NextStep.none) })])
])

workerTests("the results of children of a parent that waits for something else now", (test) => {
  test(
    "are deleted when their time is over",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* start({ tasks: [Resting] })
      const id = yield* Resting.enqueue(new Begin({ names: ["a"] }))
      yield* gathers(id)
      const [child] = yield* childrenOf(id)
      yield* endChild(child!)
      yield* wakeParents(sql, [id])
      yield* eventually(run("select from pg_task where state = 'Rest'"), (found) => found.length === 1)
      yield* run("update pg_task set kept_until = now() - interval '1 minute' where id = $1::uuid", [child])
      yield* deleteExpired(sql)
      assert.deepStrictEqual(yield* run("select from pg_task where task = 'Child'"), [])
    })
  )
})

workerTests("children that their parent's state does not hold any more", (test) => {
  test(
    "go their own way when the state is replaced, and do not hold up what comes after it",
    Effect.gen(function*() {
      yield* never(start({ tasks: [makeParent()] }))
      const { id } = yield* Parent.enqueue(new Begin({ names: ["old"] }), { key: "p" })
      yield* gathers(id)
      yield* run("update pg_task set error = 'parked by hand' where parent = $1::uuid", [id])
      yield* Parent.enqueue(new Begin({ names: ["new"] }), { key: "p", onConflict: "replace" })
      const [child] = yield* eventually(childrenOf(id), ([child, more]) => child !== undefined && more === undefined)
      yield* gathers(id)
      yield* endChild(child!)
      yield* wakeParents(yield* SqlClient.SqlClient, [id])
      assert.deepStrictEqual(yield* within(Parent.await(id), "the result"), new Together({ seen: ["by hand"] }))
      assert.strictEqual(yield* Admin.count({ task: "Child", status: "parked" }), 1)
    })
  )

  test(
    "go their own way when it is replaced while it runs",
    Effect.gen(function*() {
      const spawning = yield* Latch.make()
      const began = yield* Latch.make()
      yield* never(start({ tasks: [makeParent(Effect.andThen(began.open, spawning.await))] }))
      const { id } = yield* Parent.enqueue(new Begin({ names: ["old"] }), { key: "p" })
      yield* began.await
      yield* Parent.enqueue(new Begin({ names: [] }), { key: "p", onConflict: "replace" })
      yield* spawning.open
      assert.deepStrictEqual(yield* within(Parent.await(id), "the result"), new Together({ seen: [] }))
      assert.deepStrictEqual(yield* childrenOf(id), [])
      assert.strictEqual(yield* Admin.count({ task: "Child" }), 1)
    })
  )

  test(
    "go their own way when somebody edits it by hand, and those that it holds stay",
    Effect.gen(function*() {
      yield* never(start({ tasks: [makeParent()] }))
      const id = yield* Parent.enqueue(new Begin({ names: ["a", "b", "c"] }))
      yield* gathers(id)
      const [a, b] = yield* childrenOf(id)
      yield* run("update pg_task set step = $2 where id = $1::uuid", [
        id,
        JSON.stringify({ Parent: { Gather: { children: [a, b] } } })
      ])
      assert.deepStrictEqual(yield* childrenOf(id), [a, b])
      assert.strictEqual(yield* Admin.count({ task: "Child", status: "ready" }), 3)
      yield* Child.peek(a as never).pipe(Effect.map((state) => assert.deepStrictEqual(state, new Bear({ name: "a" }))))
    })
  )

  test(
    "go their own way for a session that has another search path, too",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const insertFamily = Effect.gen(function*() {
        const [parent] = yield* run<{ id: string }>(
          `insert into pg_task (step, waits_for) values ('{"Parent":{"Gather":{"children":[]}}}', '{$settled}') returning id`
        )
        const children = yield* run<{ id: string }>(
          `insert into pg_task (step, parent) select '{"Child":{"Bear":{"name":"a"}}}', $1::uuid from generate_series(1, 2)
          returning id::text`,
          [parent!.id]
        )
        return { parent: parent!.id, first: children[0]!.id }
      })
      const [edited, replaced] = yield* Effect.all([insertFamily, insertFamily])
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* run("set local search_path = pg_catalog")
        const step = JSON.stringify({ Parent: { Gather: { children: [edited.first] } } })
        yield* run("update public.pg_task set step = $2 where id = $1::uuid", [edited.parent, step])
        const pending = JSON.stringify({ step: `{"Parent":{"Begin":{"names":[]}}}` })
        yield* run("update public.pg_task set pending = $2::jsonb where id = $1::uuid", [replaced.parent, pending])
      }))
      assert.deepStrictEqual(yield* childrenOf(edited.parent), [edited.first])
      assert.deepStrictEqual(yield* childrenOf(replaced.parent), [])
    })
  )
})
