import { assert } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Admin, NextStep, Step, Task } from "../../src/index.ts"
import { declaring, module, pgTask } from "../support/cli/cli.ts"
import { insertEach, nobody, readName } from "../support/cli/Greeter.ts"
import { start, workerTests } from "../support/worker/Fixture.ts"
import { row, run } from "../support/worker/Table.ts"
import { eventually, within } from "../support/worker/Wait.ts"

workerTests("pg-task retry, run-now and cancel", (test) => {
  test(
    "take ids without a question, but for cancel",
    Effect.gen(function*() {
      const ids = yield* insertEach
      assert.deepStrictEqual(yield* pgTask(["retry", ids.parked.slice(0, 8)]), {
        out: "Retried 1 task\n",
        err: "",
        code: 0
      })
      assert.deepInclude(yield* row(ids.parked), { status: "ready", tried: 0 })
      assert.strictEqual((yield* pgTask(["run-now", ids.scheduled])).out, "Due now: 1 task\n")
      const refused = yield* pgTask(["cancel", ids.ready])
      assert.deepInclude(refused, { out: "", code: 2 })
      assert.include(refused.err, "Cancel 1 task? Nobody can be asked here: give --yes")
      assert.isDefined(yield* row(ids.ready))
      assert.strictEqual((yield* pgTask(["cancel", ids.ready, "--yes"])).out, "Cancelled 1 task\n")
      assert.isUndefined(yield* row(ids.ready))
    })
  )

  test(
    "ask about what a filter selects, and say how much that is",
    Effect.gen(function*() {
      yield* insertEach
      yield* insertEach
      const no = yield* pgTask(["retry", "--task", "Greeter"], { keys: ["n"] })
      assert.deepInclude(no, { err: "Nothing was changed", code: 1 })
      const json = yield* pgTask(["retry", "--task", "Greeter", "--json"], { keys: ["y"] })
      assert.deepInclude(json, { out: "", err: "Retry 2 parked tasks? Nobody can be asked here: give --yes", code: 2 })
      assert.match(no.out, /Greeter +ReadName .* 2 +2h/)
      assert.strictEqual(yield* Admin.count({ status: "parked" }), 2)
      const yes = yield* pgTask(["retry", "--task", "Greeter"], { keys: ["y"] })
      assert.include(yes.out, "Retried 2 tasks")
      assert.strictEqual(yield* Admin.count({ status: "parked" }), 0)
    })
  )

  test(
    "only say it when that is all that is asked for",
    Effect.gen(function*() {
      yield* insertEach
      const dry = yield* pgTask(["cancel", "--all", "--dry-run"])
      assert.include(dry.out, "Would cancel 4 tasks")
      const json = yield* pgTask(["retry", "--error", "timeout", "--dry-run", "--json"])
      assert.deepStrictEqual(JSON.parse(json.out), { wouldChange: 1 })
      assert.strictEqual(yield* Admin.count(), 4)
    })
  )

  test(
    "count a task once, by however many names it is called, and say which are left as they are",
    Effect.gen(function*() {
      const { parked, scheduled: waiting } = yield* insertEach
      const named = ["retry", parked, parked.slice(0, 13), waiting]
      const dry = yield* pgTask([...named, "--dry-run", "--json"])
      assert.deepStrictEqual(JSON.parse(dry.out), { wouldChange: 1 })
      assert.strictEqual(dry.err, `${waiting} is scheduled, not parked\n`)
      assert.strictEqual((yield* pgTask(named)).out, "Retried 1 task\n")
    })
  )

  test(
    "need to be told which tasks, in one way",
    Effect.gen(function*() {
      const { parked } = yield* insertEach
      for (const command of ["retry", "run-now", "cancel"]) {
        assert.include(
          (yield* pgTask([command, "--yes"])).err,
          "which tasks? Give ids, filters such as --task, or --all"
        )
        assert.strictEqual((yield* pgTask([command, "--yes", "--all", parked])).code, 2)
        assert.strictEqual((yield* pgTask([command, "--yes", "--task", "Other"])).code, 1)
        assert.strictEqual((yield* pgTask([command, "--yes", nobody])).code, 1)
      }
      assert.strictEqual(yield* Admin.count(), 4)
    })
  )

  test(
    "say why there is nothing to do",
    Effect.gen(function*() {
      const { parked, scheduled: waiting } = yield* insertEach
      assert.deepStrictEqual(yield* pgTask(["retry", waiting]), {
        out: "",
        err: `Nothing to retry: ${waiting} is scheduled, not parked`,
        code: 1
      })
      const both = yield* pgTask(["retry", waiting, parked])
      assert.deepStrictEqual(both, { out: "Retried 1 task\n", err: `${waiting} is scheduled, not parked\n`, code: 0 })
      assert.include(
        (yield* pgTask(["run-now", "--task", "Other"])).err,
        "No scheduled task matches: see pg-task stats"
      )
    })
  )

  test(
    "do it all with --yes",
    Effect.gen(function*() {
      yield* insertEach
      assert.deepStrictEqual(JSON.parse((yield* pgTask(["retry", "--all", "--yes", "--json"])).out), { changed: 1 })
      assert.deepStrictEqual(JSON.parse((yield* pgTask(["run-now", "--all", "-y", "--json"])).out), { changed: 1 })
      const some = yield* pgTask(["cancel", "--status", "running", "--yes", "--json"])
      assert.deepStrictEqual(JSON.parse(some.out), { changed: 1 })
      assert.strictEqual((yield* pgTask(["cancel", "--all", "--yes"])).out, "Cancelled 3 tasks\n")
    })
  )
})

class Add extends Schema.TaggedClass<Add>()("Add", { a: Schema.Number }) {}
class Sum extends Schema.TaggedClass<Sum>()("Sum", { sum: Schema.Number }) {}

const Adder = Task.make("Adder", [
  Step.make(Add, {
    next: [Sum],
    handler: ({ a }) => a < 0 ? Effect.fail("negative") : Effect.succeed(NextStep.now(new Sum({ sum: a + 1 })))
  }),
  Step.final(Sum)
])

workerTests("pg-task enqueue --wait", (test) => {
  test(
    "prints what the task comes to, or why it doesn't",
    Effect.gen(function*() {
      yield* start({ tasks: [Adder] })
      const ended = yield* pgTask(["enqueue", "Adder", "Add", `{"a":1}`, "--wait"])
      assert.deepInclude(ended, { out: `Sum {"sum":2}\n`, code: 0 })
      const json = yield* pgTask(["enqueue", "Adder", "Add", `{"a":2}`, "--wait", "--json"])
      assert.deepInclude(JSON.parse(json.out), { status: "ended", step: "Sum", raw: `{"Adder":{"Sum":{"sum":3}}}` })
      const keyed = ["--key", "one", "--wait"]
      assert.notInclude((yield* pgTask(["enqueue", "Adder", "Add", `{"a":5}`, ...keyed])).err, "taken")
      const taken = yield* pgTask(["enqueue", "Adder", "Add", `{"a":6}`, ...keyed])
      assert.deepInclude(taken, { out: `Sum {"sum":6}\n`, code: 0 })
      assert.include(taken.err, "The key is taken: nothing was stored. The task that has it is ended\n")
      const parked = yield* pgTask(["enqueue", "Adder", "Add", `{"a":-1}`, "--wait"])
      assert.deepInclude(parked, { out: "", code: 1 })
      assert.include(parked.err, "is parked, and goes on only if somebody retries it: negative")
    })
  )
})

workerTests("pg-task enqueue --key", (test) => {
  test(
    "stores a task once, and finds it by its key",
    Effect.gen(function*() {
      const { out } = yield* pgTask(["enqueue", "Greeter", "Begin", "--key", "one"])
      const id = out.trim()
      const kept = yield* pgTask(["enqueue", "Greeter", "Begin", "--key", "one", "--on-conflict", "keep"])
      assert.deepInclude(kept, {
        code: 0,
        out: `${id}\n`,
        err: "The key is taken: nothing was stored. The task that has it is ready\n"
      })
      const json = yield* pgTask(["enqueue", "Greeter", "Begin", "--key", "one", "--json"])
      assert.deepStrictEqual(JSON.parse(json.out), { id, created: false, status: "ready" })
      assert.deepInclude(yield* pgTask(["enqueue", "Greeter", "Begin", "--on-conflict", "fail"]), {
        code: 2,
        err: "--on-conflict says what happens if a key is taken: give a --key, too"
      })
      const refused = yield* pgTask(["enqueue", "Greeter", "Begin", "--key", "one", "--on-conflict", "fail"])
      assert.deepInclude(refused, {
        code: 1,
        err: `Greeter: the key "one" is taken by the task ${id}. Nothing was stored`
      })
      yield* pgTask(["enqueue", "Greeter", "Begin", "--key", "two"])
      const listed = yield* pgTask(["list", "--key", "one", "--json"])
      const { tasks } = JSON.parse(listed.out) as { readonly tasks: ReadonlyArray<{ id: string; key: string }> }
      assert.deepStrictEqual(tasks.map(({ id, key }) => [id, key]), [[id, "one"]])
      assert.include((yield* pgTask(["show", id])).out, "key           one")
      yield* pgTask(["cancel", "--key", "one", "--yes"])
      assert.deepStrictEqual(yield* run("select key from pg_task"), [{ key: "two" }])
    })
  )
})

workerTests("pg-task enqueue", (test) => {
  test(
    "takes the task in parts, or whole",
    Effect.gen(function*() {
      const parts = yield* pgTask(["enqueue", "Greeter", "ReadName", "{\"filename\":12345678901234567890}"])
      assert.strictEqual(parts.code, 0)
      // As it was given: no number loses its digits.
      assert.strictEqual(
        (yield* row(parts.out.trim()))!.step,
        "{\"Greeter\":{\"ReadName\":{\"filename\":12345678901234567890}}}"
      )
      const whole = yield* pgTask(["enqueue", readName("a"), "--delay", "1h", "--json"])
      assert.deepInclude(yield* row(JSON.parse(whole.out).id), { step: readName("a"), status: "scheduled" })
      const empty = yield* pgTask(["enqueue", "Greeter", "Begin", "--at", "2001-01-01T00:00:00Z"])
      assert.deepInclude(yield* row(empty.out.trim()), { step: "{\"Greeter\":{\"Begin\":{}}}", status: "ready" })
    })
  )

  test(
    "refuses what can't be a task, and what its schema refuses",
    Effect.gen(function*() {
      const refused: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
        [["Greeter"], "Which state?"],
        [["Greeter", "ReadName", "{filename}"], "The fields are not JSON"],
        [["Greeter", "ReadName", "[1]"], "must be an object"],
        [["{\"Greeter\":{}}"], "step must have the shape"],
        [["Greeter", "ReadName", "--delay", "1h", "--at", "2030-01-01T00:00:00Z"], "not both"],
        [["Greeter", "ReadName", "--module", module], "Missing key"],
        [
          ["Greeter", "Nope", "--module", module],
          "Greeter has no state \"Nope\": its states are \"ReadName\", \"SayHello\""
        ],
        [["Greeter", "Nope", "--module", "./nowhere.ts"], "There is no file "],
        [["Other", "Nope", "--module", module], "exports no task \"Other\", but \"Greeter\""]
      ]
      for (const [args, message] of refused) {
        const ended = yield* pgTask(["enqueue", ...args])
        assert.include(ended.err, message)
        assert.notStrictEqual(ended.code, 0)
      }
      assert.strictEqual(yield* Admin.count(), 0)
      const checked = yield* pgTask(["enqueue", "Greeter", "ReadName", "{\"filename\":\"a\"}", "-m", module])
      assert.strictEqual(checked.code, 0)
    })
  )

  test(
    "takes a module that only declares the task",
    Effect.gen(function*() {
      const refused = yield* pgTask(["enqueue", "Greeter", "ReadName", "--module", declaring])
      assert.include(refused.err, "Missing key")
      const stored = yield* pgTask(["enqueue", "Greeter", "ReadName", "{\"filename\":\"a\"}", "-m", declaring])
      assert.strictEqual(stored.code, 0)
    })
  )
})

workerTests("pg-task edit", (test) => {
  test(
    "sets fields, and retries",
    Effect.gen(function*() {
      const { parked } = yield* insertEach
      const set = ["--set", "filename=42", "--set", "more={\"a\":1}", "--set", "text=plain"]
      const edited = yield* pgTask(["edit", parked, ...set])
      assert.deepStrictEqual(edited.err.split("\n"), [
        "more is a new field: this state had none of that name",
        "text is a new field: this state had none of that name",
        `It is still parked: pg-task retry ${parked.slice(0, 8)}`,
        ""
      ])
      assert.deepInclude(yield* row(parked), {
        step: "{\"Greeter\":{\"ReadName\":{\"filename\":\"42\",\"more\":{\"a\":1},\"text\":\"plain\"}}}",
        status: "parked"
      })
      const retried = yield* pgTask(["edit", parked, "--fields", "{\"filename\":\"b\"}", "--retry", "--module", module])
      assert.include(retried.out, "Retried")
      assert.deepInclude(yield* row(parked), { step: readName("b"), status: "ready", tried: 0 })
    })
  )

  test(
    "leaves what it doesn't set as it was written",
    Effect.gen(function*() {
      const id = yield* Admin.enqueueRaw(
        `{ "Any": {"S": {"big": 9007199254740993, "x": "a", "y": 1.50, "z": [1.0] } } }`
      )
      const step = Effect.map(row(id), (found) => found!.step)
      yield* pgTask(["edit", id, "--set", "x=b"])
      assert.strictEqual(yield* step, `{"Any":{"S":{"big":9007199254740993,"x":"b","y":1.50,"z":[1.0]}}}`)
      yield* pgTask(["edit", id, "--set", "y= [ 9007199254740995 ]", "--state", "T"])
      assert.strictEqual(yield* step, `{"Any":{"T":{"big":9007199254740993,"x":"b","y":[9007199254740995],"z":[1.0]}}}`)
      yield* pgTask(["edit", id, "--fields", `{"big": 12345678901234567890}`])
      assert.strictEqual(yield* step, `{"Any":{"T":{"big":12345678901234567890}}}`)
      const shown = yield* pgTask(["show", id])
      assert.include(shown.out, `  {\n    "big": 12345678901234567890\n  }\n`)
      assert.include((yield* pgTask(["list"])).out, `{"big":12345678901234567890}`)
    })
  )

  test(
    "moves to another state, or replaces it all",
    Effect.gen(function*() {
      const { scheduled: waiting } = yield* insertEach
      const moved = ["--state", "SayHello", "--fields", "{\"at\":\"2030-01-01T00:00:00Z\"}", "--module", module]
      assert.strictEqual((yield* pgTask(["edit", waiting, ...moved])).code, 0)
      assert.strictEqual((yield* Admin.get(waiting)).step, "SayHello")
      const json = yield* pgTask(["edit", waiting, "--raw", readName("c"), "--json"])
      assert.deepStrictEqual(JSON.parse(json.out), { id: waiting, step: readName("c"), retried: false })
    })
  )

  test(
    "opens an editor, and closes it when it is interrupted",
    Effect.gen(function*() {
      const { parked } = yield* insertEach
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "pg-task-test-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
      )
      const useEditor = (script: string) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            writeFileSync(join(folder, "editor.mjs"), script)
            process.env["VISUAL"] = `'${process.execPath}' '${join(folder, "editor.mjs")}'`
          }),
          () => Effect.sync(() => delete process.env["VISUAL"])
        )
      yield* useEditor(`import * as fs from "node:fs"
const file = process.argv[2]
fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace('"parked"', '"by hand", "n": 9007199254740993'))`)
      assert.strictEqual((yield* pgTask(["edit", parked], { keys: [] })).code, 0)
      const edited = `{"Greeter":{"ReadName":{"filename":"by hand","n":9007199254740993}}}`
      assert.strictEqual((yield* row(parked))!.step, edited)
      const [open, left] = [join(folder, "open"), join(folder, "left")]
      yield* useEditor(`import * as fs from "node:fs"
fs.writeFileSync(${JSON.stringify(open)}, "")
setTimeout(() => fs.writeFileSync(${JSON.stringify(left)}, ""), 20_000)`)
      const editing = yield* Effect.forkChild(pgTask(["edit", parked], { keys: [] }))
      yield* eventually(Effect.sync(() => existsSync(open)), (isOpen) => isOpen)
      yield* within(Fiber.interrupt(editing), "the end of the editor")
      assert.isFalse(existsSync(left))
      assert.strictEqual((yield* row(parked))!.step, edited)
    })
  )

  test(
    "is refused by the schema, by nonsense, and while the task runs",
    Effect.gen(function*() {
      const { parked, running } = yield* insertEach
      const refused: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
        [[parked, "--set", "filename=much too long", "-m", module], "doesn't fit the schema"],
        [[parked, "--fields", "[]"], "The fields must be a JSON object"],
        [[parked, "--fields", "{"], "That is not JSON"],
        [[parked, "--raw", "{}"], "step must have the shape"],
        [[parked, "--raw", readName("b"), "--set", "filename=c"], "--raw replaces it all"],
        [[parked], "Say what to change"],
        [[running, "--set", "filename=b"], "is running"]
      ]
      for (const [args, message] of refused) assert.include((yield* pgTask(["edit", ...args])).err, message)
      assert.deepInclude(yield* row(parked), { step: readName("parked"), transitions: 0 })
    })
  )
})
