import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { inject } from "vitest"
import { Admin } from "../src/index.ts"
import { type Ended, type Face, runHere } from "./support/cli.ts"
import { insertEach, nobody, readName } from "./support/Greeter.ts"
import { workerTests } from "./support/worker/Fixture.ts"
import { row, run } from "./support/worker/Table.ts"

const module = fileURLToPath(new URL("support/Greeter.ts", import.meta.url))

/** Runs `pg-task` on the database of these tests. */
const pgTask = (args: ReadonlyArray<string>, face?: Face): Effect.Effect<Ended, never, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const [found] = yield* Effect.orDie(sql<{ name: string }>`select current_database() as name`)
    const url = new URL(inject("databaseUrl"))
    url.pathname = found!.name
    return yield* runHere([...args, "--url", url.href], face)
  })

const lines = ({ out }: Ended) => out.trimEnd().split("\n")

workerTests("pg-task list", (test) => {
  test(
    "prints a table, with ids that fit",
    Effect.gen(function*() {
      const ids = yield* insertEach
      const wide = yield* pgTask(["list"])
      assert.strictEqual(wide.code, 0)
      assert.match(lines(wide)[0]!, /^ID +TASK +STEP +STATUS +FOR +TRIED +DETAIL$/)
      assert.include(
        lines(wide)[1]!,
        `${ids.parked}  Greeter  ReadName  parked    2h      3  HttpError: 100% of it caused by`
      )
      assert.match(lines(wide)[4]!, /waiting .* due in (59m\d\ds|1h), failed 2×$/)
      const narrow = yield* pgTask(["list"], { columns: 80 })
      assert.strictEqual(lines(narrow).length, 5)
      for (const line of lines(narrow)) assert.isAtMost(line.length, 80)
      assert.isTrue(lines(narrow)[1]!.startsWith(`${ids.parked.slice(0, 8)}  Greeter`))
    })
  )

  test(
    "filters, and turns the order round",
    Effect.gen(function*() {
      const { parked, running, waiting } = yield* insertEach
      const found = (...args: ReadonlyArray<string>) =>
        Effect.map(
          pgTask(["list", ...args, "--json"]),
          ({ out }) => JSON.parse(out).tasks.map((task: { readonly id: string }) => task.id)
        )
      assert.deepStrictEqual(yield* found("--status", "parked", "--status", "waiting"), [parked, waiting])
      assert.deepStrictEqual(yield* found("--newest", "-n", "1"), [waiting])
      assert.deepStrictEqual(yield* found("-t", "Greeter", "-s", "ReadName", "-e", "http*timeout"), [parked])
      assert.deepStrictEqual(yield* found("--older-than", "90s", "--newer-than", "1h"), [running])
      assert.deepStrictEqual(yield* found("--task", "Other"), [])
    })
  )

  test(
    "finds what is no task, and what a dead worker holds",
    Effect.gen(function*() {
      yield* insertEach
      yield* run("insert into pg_task (step) values ('garbage')")
      yield* run("update pg_task set lease_until = now() - interval '5 seconds' where is_running")
      const [, found, ...others] = lines(yield* pgTask(["list", "--task", "?"]))
      assert.match(found!, / {2}\? +\? +ready /)
      assert.deepStrictEqual(others, [])
      assert.match(lines(yield* pgTask(["list", "--status", "running"]))[1]!, /its lease ended \d+s ago$/)
    })
  )

  test(
    "goes on where the page before ended",
    Effect.gen(function*() {
      yield* insertEach
      const all = JSON.parse((yield* pgTask(["list", "--all", "--json"])).out)
      assert.strictEqual(all.next, null)
      const first = JSON.parse((yield* pgTask(["list", "-n", "3", "--json"])).out)
      assert.strictEqual(first.tasks.length, 3)
      const second = JSON.parse((yield* pgTask(["list", "--after", first.next, "--json"])).out)
      assert.deepStrictEqual(
        [...first.tasks, ...second.tasks].map(({ id }) => id),
        all.tasks.map(({ id }: never) => id)
      )
      const text = yield* pgTask(["list", "-n", "3"])
      assert.include(text.err, `--after '${first.next}'`)
    })
  )

  test(
    "reads more than one statement's worth",
    Effect.gen(function*() {
      yield* run("insert into pg_task (step) select '{\"Many\":{\"One\":{}}}' from generate_series(1, 2345)")
      assert.strictEqual(lines(yield* pgTask(["list", "--all"])).length, 2346)
      assert.strictEqual(JSON.parse((yield* pgTask(["list", "-n", "1500", "--json"])).out).tasks.length, 1500)
    })
  )

  test(
    "says when there is nothing",
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* pgTask(["list"]), {
        out: "",
        err: "No task matches: see pg-task stats\n",
        code: 0
      })
      assert.deepStrictEqual(JSON.parse((yield* pgTask(["list", "--json"])).out), { tasks: [], next: null })
    })
  )
})

const commands = "list show stats watch diagram retry edit run-now cancel enqueue migrate stop".split(" ")

workerTests("pg-task --help", (test) => {
  test(
    "has no command and no flag that docs/cli.md doesn't tell of",
    Effect.gen(function*() {
      const guide = readFileSync(new URL("../docs/cli.md", import.meta.url), "utf8")
      const { out } = yield* pgTask(["--help"])
      assert.deepStrictEqual([...out.matchAll(/^ {2}([a-z][a-z-]+)(?:, ls)? {2,}/gm)].map(([, name]) => name), commands)
      for (const command of commands) {
        const flags = (yield* pgTask([command, "--help"])).out.matchAll(/--[a-z-]+/g)
        const unknown = [`\n## ${command}\n`, ...[...flags].map(([flag]) => flag)].filter((text) =>
          !guide.includes(text)
        )
        assert.deepStrictEqual(unknown, [], command)
      }
    })
  )

  test(
    "fits the terminal, but for commands to be copied",
    Effect.gen(function*() {
      for (const command of [[], ...commands.map((name) => [name])]) {
        const help = yield* pgTask([...command, "--help"], { columns: 80 })
        const wide = lines(help).filter((line) => line.length > 80)
        assert.deepStrictEqual(wide.filter((line) => !line.startsWith("  pg-task ")), [])
      }
    })
  )
})

workerTests("pg-task show", (test) => {
  test(
    "prints all there is, and what to do next",
    Effect.gen(function*() {
      const { parked } = yield* insertEach
      const shown = yield* pgTask(["show", parked.slice(0, 8)])
      assert.strictEqual(shown.code, 0)
      assert.include(shown.out, parked)
      assert.include(shown.out, "parked for 2h")
      assert.include(shown.out, "ERROR\n  HttpError: 100% of it\n    caused by: Timeout")
      assert.include(shown.out, "\"filename\": \"parked\"")
      assert.match(shown.out, new RegExp(`^  pg-task retry ${parked.slice(0, 8)} +go on`, "m"))
      const json = JSON.parse((yield* pgTask(["show", parked, "--json"])).out)
      assert.deepInclude(json, { id: parked, status: "parked", raw: readName("parked") })
    })
  )

  test(
    "shows what is no task",
    Effect.gen(function*() {
      yield* run("insert into pg_task (step) values ('\u001b[2Jgarbage')")
      const { rows: [found] } = yield* Admin.list()
      const shown = yield* pgTask(["show", found!.id])
      assert.notInclude(shown.out, "\u001b")
      assert.include(shown.out, "garbage")
    })
  )

  test(
    "tells ids that are gone from those that are none",
    Effect.gen(function*() {
      assert.deepInclude(yield* pgTask(["show", "nonsense"]), { code: 2, out: "" })
      const gone = yield* pgTask(["show", nobody])
      assert.deepStrictEqual(gone, {
        out: "",
        err: `There is no task ${nobody}: it has finished, or was cancelled`,
        code: 1
      })
    })
  )
})

workerTests("pg-task stats", (test) => {
  test(
    "has a line for each state, and their sum",
    Effect.gen(function*() {
      yield* insertEach
      yield* run("insert into pg_task (step) values ('{\"Mailer\":{\"Send\":{}}}')")
      const printed = lines(yield* pgTask(["stats"], { columns: 80 }))
      assert.match(printed[0]!, /^TASK +STEP +READY +OLDEST +WAITING +RETRY +RUNNING +PARKED +OLDEST$/)
      assert.match(printed[1]!, /^Greeter +ReadName +1 +1m(\ds)? +1 +1 +1 +1 +2h$/)
      assert.match(printed[2]!, /^Mailer +Send +1 +0s +0 +0 +0 +0$/)
      assert.match(printed[3]!, /^total +2 +1m(\ds)? +1 +1 +1 +1 +2h$/)
      const json = JSON.parse((yield* pgTask(["stats", "--task", "Mailer", "--json"])).out)
      assert.deepInclude(json[0], { task: "Mailer", step: "Send", status: "ready", count: 1, retrying: 0 })
    })
  )
})

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
      assert.strictEqual((yield* pgTask(["run-now", ids.waiting])).out, "Due now: 1 task\n")
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
      assert.match(no.out, /Greeter +ReadName .* 2 +2h\n/)
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
      const { waiting } = yield* insertEach
      assert.deepStrictEqual(yield* pgTask(["retry", waiting]), {
        out: "",
        err: `Nothing to retry: ${waiting} is waiting, not parked`,
        code: 1
      })
      assert.include((yield* pgTask(["run-now", "--task", "Other"])).err, "No waiting task matches: see pg-task stats")
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
      assert.deepInclude(yield* row(JSON.parse(whole.out).id), { step: readName("a"), status: "waiting" })
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
    "moves to another state, or replaces it all",
    Effect.gen(function*() {
      const { waiting } = yield* insertEach
      const moved = ["--state", "SayHello", "--fields", "{\"at\":\"2030-01-01T00:00:00Z\"}", "--module", module]
      assert.strictEqual((yield* pgTask(["edit", waiting, ...moved])).code, 0)
      assert.strictEqual((yield* Admin.get(waiting)).step, "SayHello")
      const json = yield* pgTask(["edit", waiting, "--raw", readName("c"), "--json"])
      assert.deepStrictEqual(JSON.parse(json.out), { id: waiting, step: readName("c"), retried: false })
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
        [[parked], "Say what to change"],
        [[running, "--set", "filename=b"], "is running"]
      ]
      for (const [args, message] of refused) assert.include((yield* pgTask(["edit", ...args])).err, message)
      assert.deepInclude(yield* row(parked), { step: readName("parked"), transitions: 0 })
    })
  )
})

workerTests("pg-task diagram", (test) => {
  test(
    "draws the tasks of a module, with the counts of now",
    Effect.gen(function*() {
      yield* insertEach
      const plain = yield* pgTask(["diagram", "--module", module])
      assert.include(plain.out, "ReadName --> SayHello")
      assert.notInclude(plain.out, "parked")
      const live = yield* pgTask(["diagram", "--module", module, "--live", "--format", "dot", "--direction", "LR"])
      assert.match(live.out, /^digraph/)
      assert.include(live.out, "1 parked")
      const json = JSON.parse((yield* pgTask(["diagram", "-m", module, "-t", "Greeter", "--json"])).out)
      assert.strictEqual(json[0].task, "Greeter")
    })
  )

  test(
    "says what is wrong with the module",
    Effect.gen(function*() {
      const wrong = {
        "nowhere.ts": "can't be loaded",
        [fileURLToPath(import.meta.resolve("effect/Effect"))]: "exports no task"
      }
      for (const [path, message] of Object.entries(wrong)) {
        const ended = yield* pgTask(["diagram", "--module", path])
        assert.deepInclude(ended, { out: "", code: 1 })
        assert.include(ended.err, message)
        assert.notInclude(ended.err, "\n")
      }
      assert.include((yield* pgTask(["diagram", "-m", module, "-t", "Nope"])).err, "exports no task \"Nope\"")
    })
  )
})
