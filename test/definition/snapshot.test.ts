/** Which changes of a state's schema older rows can be decoded with. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Deploy, NextStep, Step, Task } from "../../src/index.ts"
import { module, runHere } from "../support/cli/cli.ts"

const handler = () => Effect.succeed(NextStep.none)

const of = (fields: Schema.Struct.Fields) => {
  const state = Schema.TaggedStruct("A", fields) as unknown as Step.StateSchema
  return Deploy.snapshot([Task.make("T", [Step.make(state, { handler })])])
}

/** As it comes from the file. */
const stored = (snapshot: Deploy.Snapshot) => JSON.parse(JSON.stringify(snapshot)) as Deploy.Snapshot

const problems = (before: Schema.Struct.Fields, after: Schema.Struct.Fields) =>
  Deploy.compare(stored(of(before)), of(after)).map(({ message }) => message)

const text = { a: Schema.String }
interface Tree {
  readonly name: string
  readonly children: ReadonlyArray<Tree>
}
const Tree = Schema.Struct({
  name: Schema.String,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
})
const Wider = Schema.Struct({
  name: Schema.String,
  size: Schema.optionalKey(Schema.Number),
  children: Schema.Array(Schema.suspend((): Schema.Codec<any> => Wider))
})

const compatible: Record<string, readonly [Schema.Struct.Fields, Schema.Struct.Fields]> = {
  "nothing": [text, text],
  "an added optional field": [text, { ...text, b: Schema.optionalKey(Schema.Number) }],
  "an added field with a decoding default": [text, {
    ...text,
    b: Schema.Number.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1)))
  }],
  "a field that is gone": [{ ...text, b: Schema.Number }, text],
  "a field that is optional now": [text, { a: Schema.optionalKey(Schema.String) }],
  "a wider union": [{ a: Schema.Literals(["x", "y"]) }, { a: Schema.Literals(["x", "y", "z"]) }],
  "a literal that is any text now": [{ a: Schema.Literals(["x", "y"]) }, text],
  "a whole number that is any number now": [{ a: Schema.Int }, { a: Schema.Number }],
  "null, too": [text, { a: Schema.NullOr(Schema.String) }],
  "a longer text": [{ a: Schema.String.check(Schema.isMaxLength(5)) }, {
    a: Schema.String.check(Schema.isMaxLength(9))
  }],
  "the same recursive type": [{ a: Tree }, { a: Tree }],
  "a recursive type with an optional field": [{ a: Tree }, { a: Wider }]
}

const incompatible: Record<string, readonly [Schema.Struct.Fields, Schema.Struct.Fields, string]> = {
  "a required field": [text, { ...text, b: Schema.Number }, `["b"] is required now`],
  "a field that is required now": [{ a: Schema.optionalKey(Schema.String) }, text, `["a"] is required now`],
  "another type": [text, { a: Schema.Int }, `["a"] was string, and is integer now`],
  "a number that is whole now": [{ a: Schema.Finite }, { a: Schema.Int }, `["a"] was number, and is integer now`],
  "a narrower union": [
    { a: Schema.Literals(["x", "y"]) },
    { a: Schema.Literals(["x"]) },
    `["a"] may no longer be "y"`
  ],
  "a literal in place of a text": [text, { a: Schema.Literals(["x"]) }, `["a"] may now be only "x"`],
  "no null any more": [{ a: Schema.NullOr(Schema.String) }, text, `["a"] was null, and is string now`],
  "a shorter text": [
    text,
    { a: Schema.String.check(Schema.isMaxLength(5)) },
    `["a"] is narrower now: its \`maxLength\``
  ],
  "an item of another type": [
    { a: Schema.Array(Schema.String) },
    { a: Schema.Array(Schema.Int) },
    `["a"][*] was string`
  ],
  "a field in a field": [{ a: Schema.Struct(text) }, { a: Schema.Struct({ a: Schema.Int }) }, `["a"]["a"] was string`],
  "values of a record": [
    { a: Schema.Record(Schema.String, Schema.String) },
    { a: Schema.Record(Schema.String, Schema.Int) },
    `["a"][*] was string`
  ],
  "a longer tuple": [
    { a: Schema.Tuple([Schema.String]) },
    { a: Schema.Tuple([Schema.String, Schema.String]) },
    `["a"] is narrower now: its \`minItems\` is 2`
  ]
}

describe("a change of a state's shape", () => {
  for (const [what, [before, after]] of Object.entries(compatible)) {
    it(`is compatible: ${what}`, () => assert.deepStrictEqual(problems(before, after), []))
  }
  for (const [what, [before, after, message]] of Object.entries(incompatible)) {
    it(`is not: ${what}`, () => {
      const found = problems(before, after)
      assert.lengthOf(found, 1)
      assert.include(found[0], message)
    })
  }
})

describe("a state", () => {
  const A = Schema.TaggedStruct("A", text)
  const B = Schema.TaggedStruct("B", text)
  const before = Deploy.snapshot([Task.make("T", [Step.make(A, { handler })])])

  it("may not be removed, nor a task", () => {
    assert.deepStrictEqual(Deploy.compare(before, Deploy.snapshot([Task.make("T", [Step.make(B, { handler })])])), [
      {
        task: "T",
        state: "A",
        message: "the state was removed: take it over with Step.former, in the step of what it became"
      }
    ])
    assert.deepStrictEqual(Deploy.compare(before, Deploy.snapshot([])), [
      { task: "T", state: undefined, message: "the task was removed: its rows would wait for ever" }
    ])
  })

  it("may be taken over by another, and added", () => {
    const step = Step.make(B, { from: [Step.former(A, ({ a }) => B.make({ a }))], handler })
    assert.deepStrictEqual(Deploy.compare(before, Deploy.snapshot([Task.make("T", [step])])), [])
  })

  it("keeps its shape as a former one", () => {
    const Changed = Schema.TaggedStruct("A", { a: Schema.Int })
    const step = Step.make(B, { from: [Step.former(Changed, ({ a }) => B.make({ a: `${a}` }))], handler })
    assert.lengthOf(Deploy.compare(before, Deploy.snapshot([Task.make("T", [step])])), 1)
  })
})

describe("pg-task snapshot", () => {
  const next = fileURLToPath(new URL("../support/cli/former.ts", import.meta.url))

  it.live("writes the file, and compares with it", () =>
    Effect.gen(function*() {
      const folder = mkdtempSync(join(tmpdir(), "effect-pg-task-snapshot-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      const file = join(folder, "states.json")
      const pgTask = (of: string, ...args: ReadonlyArray<string>) =>
        runHere(["snapshot", "--module", of, "--file", file, ...args])
      assert.strictEqual((yield* pgTask(module, "--check")).code, 1)
      const written = yield* pgTask(module)
      assert.deepStrictEqual([written.code, written.out], [0, `${file}: 2 states\n`])
      assert.isTrue(Deploy.isSnapshot(JSON.parse(readFileSync(file, "utf8"))))
      const same = yield* pgTask(module, "--check")
      assert.deepStrictEqual([same.code, same.err], [0, ""])
      const changed = yield* pgTask(next, "--check")
      assert.strictEqual(changed.code, 1)
      assert.include(changed.out, `Greeter, state "SayHello": the state was removed`)
      assert.notInclude(changed.out, "ReadName")
      assert.include(changed.err, "1 change that older rows can't be decoded with")
      const json = yield* pgTask(next, "--check", "--json")
      assert.deepInclude(JSON.parse(json.out), { upToDate: false })
      const snapshot = JSON.parse(readFileSync(file, "utf8")) as { tasks: { Greeter: Record<string, unknown> } }
      delete snapshot.tasks.Greeter["SayHello"]
      writeFileSync(file, JSON.stringify(snapshot))
      const outdated = yield* pgTask(next, "--check")
      assert.strictEqual(outdated.code, 0)
      assert.include(outdated.err, "is out of date")
      writeFileSync(file, "{}")
      assert.include((yield* pgTask(next, "--check")).err, "was not written by `pg-task snapshot`")
    }).pipe(Effect.scoped))
})
