import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Admin } from "../../src/index.ts"
import { declaring, lines, module, pgTask } from "../support/cli/cli.ts"
import { insertEach, nobody, readName } from "../support/cli/Greeter.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { run } from "../support/worker/Table.ts"

workerTests("pg-task list", (test) => {
  test(
    "prints a table, with ids that fit",
    Effect.gen(function*() {
      const ids = yield* insertEach
      const wide = yield* pgTask(["list"])
      assert.strictEqual(wide.code, 0)
      assert.match(lines(wide)[0]!, /^ID +TASK +STEP +STATUS +FOR +TRIED +DETAIL$/)
      // On a slow machine, a duration may be wide.
      assert.include(
        lines(wide)[1]!.replaceAll(/ {2,}/g, "  "),
        `${ids.parked}  Greeter  ReadName  parked  2h  3  HttpError: 100% of it caused by`
      )
      assert.match(lines(wide)[4]!, /scheduled .* due in (59m\d\ds|1h), failed 2×$/)
      const narrow = yield* pgTask(["list"], { columns: 80 })
      assert.strictEqual(lines(narrow).length, 5)
      for (const line of lines(narrow)) assert.isAtMost(line.length, 80)
      assert.isTrue(lines(narrow)[1]!.startsWith(`${ids.parked.slice(0, 8)}  Greeter`))
    })
  )

  test(
    "fits narrow terminals, too",
    Effect.gen(function*() {
      yield* insertEach
      yield* run(
        "insert into pg_task (step) values ('{\"A name that is long\":{\"And so is that of this state\":{}}}')"
      )
      for (const columns of [60, 70, 77, 78, 79, 100, 103, 104]) {
        for (const command of ["list", "stats"]) {
          for (const line of lines(yield* pgTask([command], { columns }))) assert.isAtMost(line.length, columns)
        }
      }
    })
  )

  test(
    "filters, and turns the order round",
    Effect.gen(function*() {
      const { parked, running, scheduled: waiting } = yield* insertEach
      const found = (...args: ReadonlyArray<string>) =>
        Effect.map(
          pgTask(["list", ...args, "--json"]),
          ({ out }) => JSON.parse(out).tasks.map((task: { readonly id: string }) => task.id)
        )
      assert.deepStrictEqual(yield* found("--status", "parked", "--status", "scheduled"), [parked, waiting])
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
    "prints nothing raw that could control a terminal, as JSON either",
    Effect.gen(function*() {
      const error = "\u009b31m \u202e \u061c \u001b[2J"
      const [parked] = yield* run<{ id: string }>(
        "insert into pg_task (step, error) values ($1, $2) returning id::text",
        [readName("\u009d\u2066"), error]
      )
      for (const command of [["list"], ["show", parked!.id], ["watch", parked!.id], ["stats"]]) {
        for (const more of [[], ["--json"]]) {
          const { err, out } = yield* pgTask([...command, ...more])
          assert.notMatch((out + err).replaceAll("\n", ""), /[\p{Cc}\p{Bidi_Control}]/u)
          if (out.includes("tasks")) assert.strictEqual(JSON.parse(out).tasks[0].error, error)
        }
      }
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

const graphviz = "dot"

const twoTasks = fileURLToPath(new URL("../support/cli/twoTasks.ts", import.meta.url))

const commands =
  ("list show history stats watch web diagram retry edit run-now signal end-wait cancel enqueue schedules limits pause resume "
    + "snapshot check migrate-states migrate stop").split(" ")

workerTests("pg-task --help", (test) => {
  test(
    "has no command and no flag that docs/cli.md doesn't tell of",
    Effect.gen(function*() {
      const guide = readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8")
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
    "shows what a task failed with before it is tried again, as the list does",
    Effect.gen(function*() {
      const { scheduled } = yield* insertEach
      yield* run("update pg_task set last_error = $2 where id = $1::uuid", [
        scheduled,
        "HttpError: 503\n  caused by: Timeout"
      ])
      const shown = yield* pgTask(["show", scheduled])
      assert.include(shown.out, "LAST ERROR\n  HttpError: 503\n    caused by: Timeout")
      assert.include((yield* pgTask(["list"])).out, "failed 2×: HttpError: 503 caused by: Timeout")
      const json = JSON.parse((yield* pgTask(["show", scheduled, "--json"])).out)
      assert.deepInclude(json, { error: null, lastError: "HttpError: 503\n  caused by: Timeout" })
    })
  )

  test(
    "shows what is no task",
    Effect.gen(function*() {
      yield* run("insert into pg_task (step, trace) values ('\u001b[2Jgarbage', '\u001b[2Jtrace')")
      const { rows: [found] } = yield* Admin.list()
      const shown = yield* pgTask(["show", found!.id])
      assert.notInclude(shown.out, "\u001b")
      assert.include(shown.out, "garbage")
    })
  )

  test(
    "shows a state that can't be read as it is, and of one that is too long the beginning",
    Effect.gen(function*() {
      const broken = `{"Greeter":{"ReadName":{"filename":}}}`
      const [bad, long] = yield* run<{ id: string }>(
        `insert into pg_task (step) values ($1),
          ('{"Greeter":{"ReadName":{"filename":"' || repeat('x', 17000000) || '"}}}') returning id::text`,
        [broken]
      )
      assert.include((yield* pgTask(["show", bad!.id])).out, broken.replaceAll("\"", "\\\""))
      const shown = yield* pgTask(["show", long!.id])
      assert.strictEqual(shown.code, 0)
      assert.include(shown.out, "xxx...")
      assert.strictEqual((yield* pgTask(["list"])).code, 0)
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

workerTests("pg-task watch", (test) => {
  test(
    "takes a whole id that is gone for a task that has finished already",
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* pgTask(["watch", nobody]), {
        out: `${nobody} is gone: it has finished, or was cancelled\n`,
        err: "",
        code: 0
      })
      assert.deepInclude(yield* pgTask(["watch", nobody.slice(0, 8)]), { out: "", code: 1 })
      assert.deepInclude(yield* pgTask(["watch", nobody, "--task", "Greeter"]), { out: "", code: 2 })
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
      assert.match(printed[0]!, /^TASK +STEP +READY +OLDEST +SCHEDULED +RETRY +RUNNING +PARKED +OLDEST$/)
      assert.match(printed[1]!, /^Greeter +ReadName +1 +1m(\d+s)? +1 +1 +1 +1 +2h(\d+m)?$/)
      assert.match(printed[2]!, /^Mailer +Send +1 +\d+s +0 +0 +0 +0$/)
      assert.match(printed[3]!, /^total +2 +1m(\d+s)? +1 +1 +1 +1 +2h(\d+m)?$/)
      const json = JSON.parse((yield* pgTask(["stats", "--task", "Mailer", "--json"])).out)
      assert.deepInclude(json[0], { task: "Mailer", step: "Send", status: "ready", count: 1, retrying: 0 })
    })
  )
})

workerTests("pg-task stats --by error", (test) => {
  test(
    "counts parked tasks by the first line of their errors",
    Effect.gen(function*() {
      assert.strictEqual((yield* pgTask(["stats", "--by", "error"])).out, "Nothing is parked\n")
      yield* insertEach
      yield* insertEach
      yield* run(`insert into pg_task (step, error) values ('{"Mailer":{"Send":{}}}', e'Busy\\n  caused by: x')`)
      const printed = lines(yield* pgTask(["stats", "--by", "error"], { columns: 80 }))
      assert.match(printed[0]!, /^TASKS +TASK +STEP +OLDEST +NEWEST +ERROR$/)
      assert.match(printed[1]!, /^ +2 +Greeter +ReadName +2h +2h +HttpError: 100% of it$/)
      assert.match(printed[2]!, /^ +1 +Mailer +Send +\d+s +\d+s +Busy$/)
      const json = JSON.parse((yield* pgTask(["stats", "--by", "error", "--task", "Mailer", "--json"])).out)
      assert.lengthOf(json, 1)
      assert.deepInclude(json[0], { task: "Mailer", step: "Send", error: "Busy", count: 1 })
      assert.deepInclude(yield* pgTask(["stats", "--by", "mood"]), { out: "", code: 2 })
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
    "draws several tasks as one graph for Graphviz",
    Effect.gen(function*() {
      yield* insertEach
      const { out } = yield* pgTask(["diagram", "-m", twoTasks, "--format", "dot", "--live"])
      assert.strictEqual(out.match(/\bdigraph\b/g)?.length, 1)
      const clusters = out.split(/^ {2}subgraph /m).slice(1)
      assert.strictEqual(clusters.length, 2)
      assert.include(clusters[0], "1 parked")
      assert.include(clusters[1], "Reader &lt;&amp;&gt;")
      // No node of one is drawn in the other, and both have an end, also where every step goes on.
      const nodes = clusters.map((cluster) =>
        new Set(Array.from(cluster.matchAll(/^ +("[^"]+") \[/gm), ([, id]) => id))
      )
      for (const id of nodes[0]!) assert.isFalse(nodes[1]!.has(id))
      clusters.forEach((cluster, index) => {
        for (const [, from, to] of cluster.matchAll(/("[^"]+") -> ("[^"]+")/g)) {
          assert.isTrue(nodes[index]!.has(from) && nodes[index]!.has(to))
        }
        assert.match(cluster, /ReadName" -> "\d\.\[end\]" \[style=dashed/)
      })
      const drawn = spawnSync(graphviz, ["-Tsvg"], { input: out, encoding: "utf8" })
      // Only where it is installed.
      if (drawn.error === undefined) {
        assert.deepInclude(drawn, { status: 0, stderr: "" })
        assert.strictEqual(drawn.stdout.match(/<svg/g)?.length, 1)
      }
    })
  )

  test(
    "says what is wrong with the module",
    Effect.gen(function*() {
      const wrong = {
        "nowhere.ts": "There is no file ",
        "docs/cli.md": "can't be loaded",
        [declaring]: "exports no task made with Task.make",
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
