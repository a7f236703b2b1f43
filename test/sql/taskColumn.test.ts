import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Migrations } from "../../src/index.ts"
import { database } from "../support/worker/Fixture.ts"
import { makeCrateTable } from "../support/database/tableShape.ts"
import { insert, row, rows, run } from "../support/worker/Table.ts"

const long = "x".repeat(5_000_000)

/** What may stand in `step`, and the name of the task that its column holds. */
const spellings: ReadonlyArray<readonly [step: string, task: string | null]> = [
  // As this library and the crate write it.
  [`{"Greeter":{"ReadName":{"filename":"name.txt"}}}`, "Greeter"],
  [`{"Greeter":{"Done":{}}}`, "Greeter"],
  [`{"Greeter":{"Done":null}}`, "Greeter"],
  [`{"Greeter":{"Long":{"text":"${long}"}}}`, "Greeter"],
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
  [`{"a b":{"":{}}}`, "a b"],
  // Broken inside: a worker that knows the task says what is wrong with it.
  [`{"Greeter":{"ReadName":5}}`, "Greeter"],
  [`{"Greeter":{"ReadName":{"filename":}}}`, "Greeter"],
  [`{"Greeter":{"A":{},"B":{}}}`, "Greeter"],
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

const title = (step: string) => JSON.stringify(step.length > 60 ? `${step.slice(0, 60)}…` : step)

layer(database, { excludeTestServices: true })("the column of a task's name", (it) => {
  for (const [step, task] of spellings) {
    it.effect(`is ${task === null ? "null" : title(task)} for ${title(step)}`, () =>
      Effect.gen(function*() {
        const id = yield* insert(step)
        assert.strictEqual((yield* row(id))!.task, task)
        yield* run("update pg_task set step = '' where id = $1::uuid", [id])
        assert.isNull((yield* row(id))!.task)
        yield* run("update pg_task set step = $2 where id = $1::uuid", [id, step])
        const [stored] = yield* run<{ task: string; step: string }>(
          "select task, step from pg_task where id = $1::uuid",
          [
            id
          ]
        )
        assert.strictEqual(stored!.task, task)
        assert.isTrue(stored!.step === step)
      }))
  }

  it.effect("is the same for rows that were there before it", () =>
    Effect.gen(function*() {
      yield* run("drop table pg_task, pg_task_migrations")
      yield* makeCrateTable
      const ids = yield* Effect.forEach(spellings, ([step]) => insert(step))
      yield* Migrations.run
      const byId = new Map((yield* rows).map(({ id, task }) => [id, task]))
      assert.deepStrictEqual(ids.map((id) => byId.get(id)), spellings.map(([, task]) => task))
    }))

  it.effect("can't be written", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(run(`insert into pg_task (step, task) values ('{"A":{"B":{}}}', 'B')`))
      assert.include(String(error.reason.cause), "non-DEFAULT value into column")
    }))

  it.effect.prop(
    "is whatever name JSON holds",
    { name: Schema.String, tag: Schema.String, space: Schema.Literals(["", " ", "\n\t"]) },
    ({ name, space, tag }) =>
      Effect.gen(function*() {
        const step = `{${space}${JSON.stringify(name)}:${space}{${JSON.stringify(tag)}:{}}${space}}${space}`
        const unnamed = name === "" || /[\0\uD800-\uDFFF]/u.test(name)
        assert.strictEqual((yield* row(yield* insert(step)))!.task, unnamed ? null : name)
      })
  )
})
