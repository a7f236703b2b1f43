/**
 * Workers die between every two statements while they run a tree of tasks of four levels. Each of its tasks is spawned
 * once, each parent goes on once, after its children, and reads what they came to.
 *
 * `TREE_SEED` plays a run again; `TREE_CRASHES=all` lets a worker die at each statement, and not at every eleventh.
 */
import { assert } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { ParentsLook } from "../../src/internal/worker/followUps.ts"
import { Worker } from "../../src/index.ts"
import { client } from "../support/database/Database.ts"
import { start, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import { makeNetwork } from "../support/worker/Network.ts"
import { run } from "../support/worker/Table.ts"
import { within } from "../support/worker/Wait.ts"
import { judgeJoins } from "./joins/JoinOracle.ts"
import { allOf, makeJoinPlan, type Node } from "./joins/JoinPlan.ts"
import { gatherJoins } from "./joins/JoinResult.ts"
import { createJoinTables, emptyJoinTables, type JoinNotes, makeJoinNotes } from "./joins/JoinTables.ts"
import { beginning, makeTree, Root } from "./joins/TreeTask.ts"
import { makeRandom } from "./Random.ts"

const seed = Number(process.env["TREE_SEED"] ?? Date.now() % 1_000_000)

/** Every eleventh statement, other ones each time. */
const stride = process.env["TREE_CRASHES"] === "all" ? 1 : 11

/** A tree like that of the plan, but quick and narrow. */
const quick = (node: Node): Node => ({
  ...node,
  delay: 0,
  stubborn: false,
  failures: 0,
  rests: false,
  join: node.join === "impatient" ? "children" : node.join,
  children: node.children.slice(0, 2).map(quick)
})

/** One that has leaves. */
const treeOf = (name: string): Node => {
  for (let n = 0;; n++) {
    const plan = makeJoinPlan(makeRandom(seed).fork(`${name} ${n}`), { talks: 0, trees: 1 })
    const tree = quick(plan.trees[0]!)
    if (allOf(tree).some(({ id }) => id.split(".").length === 4)) return tree
  }
}

/** For broken code only: a busy machine may need long for so many lives. */
const timeLimit = 1_800_000

const makeTables = Effect.andThen(
  run(
    "drop table if exists world, join_plan, join_enqueued, signal_sent, signal_heard, signal_took, tree_grew, tree_value, tree_joined, tree_felled"
  ),
  Effect.andThen(
    Effect.forEach(
      [...createJoinTables, "create table world (fixed boolean)", "insert into world values (true)"],
      (text) => run(text)
    ),
    Effect.map(SqlClient.SqlClient, makeJoinNotes)
  )
)

/** Frees the rows of a worker that has died, as others do once their leases have expired. */
const rescue = run(
  `update pg_task set is_running = false, lease_token = null, lease_until = null where is_running`
)

/**
 * A worker that dies after so many statements, counted from its start or from when it works, unless `until` comes first.
 * Returns whether it died.
 */
const live = (notes: JoinNotes, statements: number, work: Effect.Effect<unknown, unknown>) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const network = yield* makeNetwork(yield* urlOfTest)
    yield* network.mend
    const layer = Worker.layer({ tasks: makeTree(notes), concurrency: 3, shutdownTimeout: 0 })
    yield* Layer.buildWithScope(Layer.provide(layer, client(network.url)), scope).pipe(
      Effect.provideService(ParentsLook, 50)
    )
    const death = yield* network.cutAfter(statements)
    const died = yield* Effect.raceFirst(
      Effect.as(death, true),
      Effect.as(within(work, `the end of the tree, with seed ${seed}`), false)
    )
    // Of one that has died nothing reaches the database any more, and nobody waits for it.
    yield* died ? network.cut : Effect.void
    yield* Effect.forkScoped(Scope.close(scope, Exit.void))
    return died
  })

/** Enqueues a tree, and awaits its end; what it awaited is for the oracle. */
const plant = (tree: Node) =>
  Effect.gen(function*() {
    const id = yield* Root.enqueue(beginning(tree))
    yield* run("insert into join_enqueued values ($1, $2::uuid)", [tree.id, id])
    return id
  })

const check = (tree: Node, awaited: unknown, what: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const evidence = yield* gatherJoins(sql, new Map([[tree.id, awaited]]))
    const complaints = judgeJoins({ plan: { talks: [], trees: [tree] }, evidence, ownFailures: true })
    assert.deepStrictEqual(complaints, [], `${what}: play it again with TREE_SEED=${seed}`)
    yield* run("delete from pg_task")
    yield* run(emptyJoinTables)
  })

workerTests("a tree of tasks", (test) => {
  test(
    "comes to its end, whichever statement was the last one of its worker",
    Effect.gen(function*() {
      const notes = yield* makeTables
      const tree = treeOf("one")
      let count = 0
      for (let last = seed % stride;; last += stride) {
        const id = yield* plant(tree)
        const ended = yield* Effect.forkScoped(Root.await(id))
        const died = yield* live(notes, last, Fiber.join(ended))
        if (died) {
          count++
          yield* rescue
          yield* Effect.scoped(Effect.andThen(
            Effect.provideService(start({ tasks: makeTree(notes) }), ParentsLook, 50),
            within(Fiber.join(ended), `the end after ${last} statements, with seed ${seed}`)
          ))
        }
        yield* check(tree, yield* Fiber.join(ended), `after ${last} statements`)
        if (!died) break
      }
      assert.isAbove(count, 2)
    }),
    timeLimit
  )

  test(
    "comes to its end, though each of its workers dies after a few statements",
    Effect.gen(function*() {
      const notes = yield* makeTables
      const random = makeRandom(seed).fork("lives")
      for (const name of stride === 1 ? ["a", "b", "c", "d", "e", "f"] : ["a"]) {
        const tree = treeOf(name)
        const ended = yield* Effect.forkScoped(Root.await(yield* plant(tree)))
        let lives = 1
        // Longer and longer: three steps at once may need more statements than one life has, again and again.
        while (yield* live(notes, random.int(8, 16) + Math.floor(lives / 10), Fiber.join(ended))) {
          lives++
          yield* rescue
        }
        assert.isAbove(lives, 1)
        yield* check(tree, yield* Fiber.join(ended), `tree ${name}`)
      }
    }),
    timeLimit
  )
})
