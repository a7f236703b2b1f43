import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Migrations, NextStep, Step, Task } from "../../src/index.ts"
import { database } from "../support/worker/Fixture.ts"
import { makeCrateTable } from "../support/database/tableShape.ts"
import { insert, row, rows, run } from "../support/worker/Table.ts"

const long = "x".repeat(5_000_000)

/** What may stand in `step`, and the names of the task and of its state that the columns hold. */
const spellings: ReadonlyArray<readonly [step: string, task: string | null, state?: string | null]> = [
  // As this library and the crate write it.
  [`{"Greeter":{"ReadName":{"filename":"name.txt"}}}`, "Greeter", "ReadName"],
  [`{"Greeter":{"Done":{}}}`, "Greeter"],
  [`{"Greeter":{"Done":null}}`, "Greeter"],
  [`{"Greeter":{"Long":{"text":"${long}"}}}`, "Greeter", "Long"],
  // As others may write the same.
  [`{ "Greeter": { "Done": {} } }`, "Greeter"],
  [`\r\n\t {"Greeter"\t:\n{"Done":{}}}  \r\n`, "Greeter"],
  [`{\n  "Greeter": {\n    "Done": null\n  }\n}\n`, "Greeter"],
  [`{"\\u0047reeter":{"Done":{}}}`, "Greeter"],
  [`{"Gre\\u0065ter":{"D\\u006Fne":{}}}`, "Greeter"],
  [`{"a\\"b":{"Done":{}}}`, "a\"b"],
  [`{"a\\\\":{"Done":{}}}`, "a\\"],
  [`{"a\\\\\\"b":{"Done":{}}}`, "a\\\"b"],
  [`{"a\\/b\\n\\t\\r\\b\\f":{"Done":{}}}`, "a/b\n\t\r\b\f"],
  [`{"\\ud83d\\ude00":{"Done":{}}}`, "😀"],
  [`{"\\uD83D\\uDE00":{"Done":{}}}`, "😀"],
  [`{"😀\\ud83d\\ude00":{"Done":{}}}`, "😀😀"],
  [`{"\\u00e4ä":{"Done":{}}}`, "ää"],
  [`{"\\ue000\\ud7ff":{"Done":{}}}`, "\ue000\ud7ff"],
  [`{"{":{"Done":{}}}`, "{"],
  [`{"a b":{"":{}}}`, "a b", ""],
  [`{ "a b": { "": {} } }`, "a b", ""],
  // The same of states.
  [`{"Greeter":{"a\\"b":{}}}`, "Greeter", "a\"b"],
  [`{"Greeter":{"a\\\\":{}}}`, "Greeter", "a\\"],
  [`{"Greeter":{"a\\/b\\n\\t":{}}}`, "Greeter", "a/b\n\t"],
  [`{"Greeter":{"\\ud83d\\ude00":{}}}`, "Greeter", "😀"],
  [`{"Greeter":{"{":{}}}`, "Greeter", "{"],
  [`{"Greeter":{"Done" : {}}}`, "Greeter"],
  [`{"Greeter":{"Done"\n:null}}`, "Greeter"],
  // A task's name, and no state that could be one.
  [`{"Greeter":{"a\nb":{}}}`, "Greeter", null],
  [`{"Greeter":{"NUL \\u0000":{}}}`, "Greeter", null],
  [`{"Greeter":{"half \\ud83d":{}}}`, "Greeter", null],
  [`{"Greeter":{"ReadName}}`, "Greeter", null],
  [`{"Greeter":{"ReadName}} {"x":{}}}`, "Greeter", null],
  [`{"Greeter":{"ReadName"}}`, "Greeter", null],
  [`{"Greeter":{"${"x".repeat(3000)}":{}, "a": {}}}`, "Greeter", "x".repeat(3000)],
  [`{"Greeter":{ "${"x".repeat(3000)}":{}}}`, "Greeter", null],
  // Broken inside: a worker that knows the task says what is wrong with it.
  [`{"Greeter":{"ReadName":5}}`, "Greeter", "ReadName"],
  [`{"Greeter":{"ReadName":{"filename":}}}`, "Greeter", "ReadName"],
  [`{"Greeter":{"A":{},"B":{}}}`, "Greeter", "A"],
  [`{"Greeter":{"Done":{}}`, "Greeter"],
  // Of another shape, or not JSON at all: any worker says what is wrong with it.
  [``, null],
  [` `, null],
  [`null`, null],
  [`true`, null],
  [`"Greeter"`, null],
  [`5`, null],
  [`[]`, null],
  [`{}`, null],
  [`["Greeter",{"Done":{}}]`, null],
  [`[{"Greeter":{"Done":{}}}]`, null],
  [`{"Greeter":null}`, null],
  [`{"Greeter":"Done"}`, null],
  [`{"Greeter":[{"Done":{}}]}`, null],
  [`{"Greeter":{}}`, null],
  [`{Greeter:{Done:{}}}`, null],
  [`{'Greeter':{'Done':{}}}`, null],
  [`{"Greeter":{"Done":{}`, null],
  [`{"Greeter`, null],
  [`{"Greeter":{"Done":{}}}x`, null],
  [`x{"Greeter":{"Done":{}}}`, null],
  [`garbage`, null],
  [`{"":{"Done":{}}}`, null],
  [`{"a\nb":{"Done":{}}}`, null],
  [`{"a\tb":{"Done":{}}}`, null],
  [`{"a\\x":{"Done":{}}}`, null],
  [`{"a\\u00g0":{"Done":{}}}`, null],
  [`{"a\\u00":{"Done":{}}}`, null],
  [`{"a\\":{"Done":{}}}`, null],
  [`{"NUL \\u0000":{"Done":{}}}`, null],
  [`{"half \\ud83d":{"Done":{}}}`, null],
  [`{"half \\ude00":{"Done":{}}}`, null],
  [`{"halves \\ude00\\ud83d":{"Done":{}}}`, null],
  [`{"${"x".repeat(3000)}":{"Done":{}}}`, "x".repeat(3000)],
  [`{"${"\\u0041".repeat(3000)}":{"Done":{}}}`, null]
]

/** Most are `Done`. */
const stateOf = ([, task, state = "Done"]: typeof spellings[number]) => task === null ? null : state

const title = (step: string) => JSON.stringify(step.length > 60 ? `${step.slice(0, 60)}…` : step)

const stateIn = (id: string) =>
  Effect.map(
    run<{ state: string | null }>("select state from pg_task where id = $1::uuid", [id]),
    (found) => found[0]!.state
  )

layer(database, { excludeTestServices: true })("the columns of a task's name and its state", (it) => {
  for (const spelling of spellings) {
    const [step, task] = spelling
    it.effect(`is ${task === null ? "null" : title(task)} for ${title(step)}`, () =>
      Effect.gen(function*() {
        const id = yield* insert(step)
        assert.strictEqual((yield* row(id))!.task, task)
        assert.strictEqual(yield* stateIn(id), stateOf(spelling))
        yield* run("update pg_task set step = '' where id = $1::uuid", [id])
        assert.deepStrictEqual([(yield* row(id))!.task, yield* stateIn(id)], [null, null])
        yield* run("update pg_task set step = $2 where id = $1::uuid", [id, step])
        const [stored] = yield* run<{ task: string; step: string }>(
          "select task, step from pg_task where id = $1::uuid",
          [
            id
          ]
        )
        assert.strictEqual(stored!.task, task)
        assert.strictEqual(yield* stateIn(id), stateOf(spelling))
        assert.isTrue(stored!.step === step)
      }))
  }

  it.effect("is the same for rows that were there before it", () =>
    Effect.gen(function*() {
      yield* run("drop table pg_task, pg_task_migrations cascade")
      yield* makeCrateTable
      const ids = yield* Effect.forEach(spellings, ([step]) => insert(step))
      yield* Migrations.run
      const byId = new Map((yield* rows).map(({ id, task }) => [id, task]))
      assert.deepStrictEqual(ids.map((id) => byId.get(id)), spellings.map(([, task]) => task))
      assert.deepStrictEqual(yield* Effect.forEach(ids, stateIn), spellings.map(stateOf))
    }))

  it.effect("follow from the state, whatever somebody writes into them", () =>
    Effect.gen(function*() {
      const names = run<{ task: string; state: string }>("select task, state from pg_task where wakeup_at = 'infinity'")
      yield* run(`insert into pg_task (step, wakeup_at, task) values ('{"A":{"B":{}}}', 'infinity', 'C')`)
      assert.deepStrictEqual(yield* names, [{ task: "A", state: "B" }])
      for (const change of ["task = 'C'", "state = 'C'", "task = null, state = null", "wakeup_at = 'infinity'"]) {
        yield* run(`update pg_task set ${change} where wakeup_at = 'infinity'`)
        assert.deepStrictEqual(yield* names, [{ task: "A", state: "B" }])
      }
    }))

  it.effect("are set for a session that has another search path", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* run("set local search_path = pg_catalog")
        const [found] = yield* run<{ id: string; task: string; state: string }>(
          `insert into public.pg_task (step) values ('{ "A": { "B": {} } }') returning id::text, task, state`
        )
        assert.deepInclude(found, { task: "A", state: "B" })
        yield* run(`update public.pg_task set step = '{ "C": { "D": {} } }' where id = $1::uuid`, [found!.id])
        const after = yield* run("select task, state from public.pg_task where id = $1::uuid", [found!.id])
        assert.deepStrictEqual(after, [{ task: "C", state: "D" }])
      }))
    }))

  const enqueued = [["A", "B"], ["a \"b\"", "B"], ["A", "b\\"], ["A", "\n"], ["{", "}"], ["ä", "😀"]] as const
  for (const [name, tag] of enqueued) {
    it.effect(`are those of an enqueued task ${JSON.stringify(name)} in its state ${JSON.stringify(tag)}`, () =>
      Effect.gen(function*() {
        const State = Schema.TaggedStruct(tag, { id: Schema.Number })
        const Enqueued = Task.make(name, [Step.make(State, { handler: () => Effect.succeed(NextStep.none) })])
        const states = [1, 2].map((id) => ({ _tag: tag, id }))
        const ids = [yield* Enqueued.enqueue(states[0]!), ...(yield* Enqueued.enqueueAll(states))]
        for (const id of ids) {
          assert.strictEqual((yield* row(id))!.task, name)
          assert.strictEqual(yield* stateIn(id), tag)
        }
      }))
  }

  it.effect.prop(
    "is whatever name JSON holds",
    { name: Schema.String, tag: Schema.String, space: Schema.Literals(["", " ", "\n\t"]) },
    ({ name, space, tag }) =>
      Effect.gen(function*() {
        const step = `{${space}${JSON.stringify(name)}:${space}{${JSON.stringify(tag)}:{}}${space}}${space}`
        const unnamed = name === "" || /[\0\uD800-\uDFFF]/u.test(name)
        const id = yield* insert(step)
        assert.strictEqual((yield* row(id))!.task, unnamed ? null : name)
        assert.strictEqual(yield* stateIn(id), unnamed || /[\0\uD800-\uDFFF]/u.test(tag) ? null : tag)
      })
  )
})
