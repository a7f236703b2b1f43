/** `Deploy.check`, `Deploy.migrate` and `Deploy.knows`: what the rows of the table mean to the code at hand. */
import { assert } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { fileURLToPath } from "node:url"
import { Deploy, NextStep, Step, Task } from "../../src/index.ts"
import { runHere } from "../support/cli/cli.ts"
import { Greeter as Next } from "../support/cli/former.ts"
import { Greeter } from "../support/cli/Greeter.ts"
import { start, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import { empty, insert, row, run } from "../support/worker/Table.ts"

const nextModule = fileURLToPath(new URL("../support/cli/former.ts", import.meta.url))

const old = (filename: string) => `{"Greeter":{"ReadName":{"filename":"${filename}"}}}`

const insertMany = (count: number) =>
  run(
    `insert into pg_task (step) select '{"Greeter":{"ReadName":{"filename":"' || n || '"}}}'
    from generate_series(1, $1::int) n`,
    [count]
  )

workerTests("the rows of the table", (test) => {
  test(
    "are checked by the code at hand, grouped by what is wrong with them, and not touched",
    Effect.gen(function*() {
      yield* insertMany(3)
      const running = yield* insert(old("running"))
      yield* run("update pg_task set is_running = true where id = $1::uuid", [running])
      const broken = yield* insert(old("broken"))
      const gone = yield* insert(`{"Greeter":{"SayHello":{"at":"2030-01-01T00:00:00Z"}}}`)
      const garbage = [yield* insert("garbage"), yield* insert("garbage")]
      yield* insert(`{"Greeter":{"Read":{"path":"new"}}}`)
      const unfit = yield* insert(`{"Greeter":{"Read":{"path":""}}}`)
      yield* insert(`{"Other":{"A":{}}}`)
      const versions = run("select id, xmin::text from pg_task order by id")
      const before = yield* versions
      const seen: Array<number> = []
      const report = yield* Deploy.check(Next, { onProgress: (rows) => Effect.sync(() => seen.push(rows)) })
      assert.deepStrictEqual(yield* versions, before)
      assert.deepStrictEqual([report.checked, seen], [10, [10]])
      assert.deepStrictEqual(report.formers, [
        { task: "Greeter", former: "ReadName", step: "Read", count: 4 },
        { task: "Greeter", former: "Unused", step: "Read", count: 0 }
      ])
      assert.deepStrictEqual(report.otherTasks, [{ task: "Other", count: 1 }])
      const [largest, ...others] = report.unfit
      assert.deepInclude(largest, { task: null, step: null, count: 2 })
      assert.include(garbage, largest!.example)
      assert.include(largest!.message, "step is not JSON")
      const byId = new Map(others.map((group) => [group.example, group]))
      assert.include(byId.get(broken)?.message, "no such file")
      assert.deepInclude(byId.get(gone), { step: "SayHello", count: 1 })
      assert.include(byId.get(gone)?.message, `Greeter has no state "SayHello"`)
      assert.include(byId.get(unfit)?.message, `doesn't fit the schema of state "Read"`)
      assert.lengthOf(others, 3)
    })
  )

  test(
    "are checked with the states that are to replace them",
    Effect.gen(function*() {
      const replacing = (pending: object) =>
        Effect.tap(insert(`{"Greeter":{"Read":{"path":"p"}}}`), (id) =>
          run(
            "update pg_task set is_running = true, pending = $2::jsonb where id = $1::uuid",
            [id, JSON.stringify(pending)]
          ))
      yield* replacing({ step: `{"Greeter":{"Read":{"path":"q"}}}` })
      yield* replacing({ step: old("a") })
      const unfit = yield* replacing({ step: `{"Greeter":{"Read":{"path":""}}}` })
      const malformed = yield* replacing({ at: "2030-01-01" })
      const report = yield* Deploy.check(Next)
      assert.strictEqual(report.checked, 4)
      assert.deepInclude(report.formers, { task: "Greeter", former: "ReadName", step: "Read", count: 1 })
      const byId = new Map(report.unfit.map((group) => [group.example, group]))
      assert.strictEqual(byId.size, 2)
      assert.deepInclude(byId.get(unfit), { task: "Greeter", step: "Read", count: 1 })
      assert.match(byId.get(unfit)!.message, /^In "pending", .* doesn't fit the schema of state "Read"/)
      assert.match(byId.get(malformed)!.message, /^In "pending", .*step is not JSON/)
    })
  )

  test(
    "are checked in pages, and different reasons counted together once they are many",
    Effect.gen(function*() {
      yield* run(`insert into pg_task (step) select '{"Greeter":{"State' || n % 150 || '":{}}}'
        from generate_series(1, 12000) n`)
      const seen: Array<number> = []
      const report = yield* Deploy.check([Next], { onProgress: (rows) => Effect.sync(() => seen.push(rows)) })
      assert.deepStrictEqual([report.checked, seen], [12_000, [5000, 10_000, 12_000]])
      assert.strictEqual(report.unfit.reduce((sum, { count }) => sum + count, 0), 12_000)
      assert.include(report.unfit.map(({ message }) => message), "other reasons")
    })
  )

  test(
    "are rewritten where they are in a former state, and are otherwise as they were",
    Effect.gen(function*() {
      yield* insertMany(5)
      const parked = yield* insert(old("parked"))
      yield* run("update pg_task set error = 'why', tried = 3, transitions = 7 where id = $1::uuid", [parked])
      const scheduled = yield* insert(old("later"))
      yield* run("update pg_task set wakeup_at = now() + interval '1 hour' where id = $1::uuid", [scheduled])
      const kept =
        "select id, wakeup_at::text, tried, transitions, crashes, error, created_at::text from pg_task order by id"
      const before = yield* run(kept)
      const running = yield* insert(old("running"))
      yield* run("update pg_task set is_running = true where id = $1::uuid", [running])
      const broken = yield* insert(old("broken"))
      assert.deepStrictEqual(yield* Deploy.migrate(Next), { migrated: 7, unfit: 1, passed: 0 })
      assert.strictEqual((yield* row(running))!.step, old("running"))
      assert.strictEqual((yield* row(broken))!.step, old("broken"))
      assert.strictEqual((yield* row(parked))!.step, `{"Greeter":{"Read":{"path":"parked"}}}`)
      yield* run("delete from pg_task where id = any($1::uuid[])", [[running, broken]])
      assert.deepStrictEqual(yield* run(kept), before)
      assert.deepStrictEqual(yield* Deploy.migrate(Next), { migrated: 0, unfit: 0, passed: 0 })
      yield* run("update pg_task set error = null, wakeup_at = now()")
      yield* start({ tasks: [Next] })
      yield* empty
    })
  )

  test(
    "wait on in a former state's place as they waited, unless a signal is there, or the new state doesn't wait",
    Effect.gen(function*() {
      class Old extends Schema.TaggedClass<Old>()("Old", { to: Schema.String }) {}
      class Open extends Schema.TaggedClass<Open>()("Open", {}) {}
      class Plain extends Schema.TaggedClass<Plain>()("Plain", {}) {}
      class OldPlain extends Schema.TaggedClass<OldPlain>()("OldPlain", {}) {}
      class Paid extends Schema.TaggedClass<Paid>()("Paid", {}) {}
      const none = { handler: () => Effect.succeed(NextStep.none) }
      const Bills = Task.make("Bills", [
        Step.wait(Open, (on) => [on(Paid, none), on.timeout("1 day", none)], {
          from: [Step.former(Old, () => new Open())]
        }),
        Step.make(Plain, { ...none, from: [Step.former(OldPlain, () => new Plain())] })
      ])
      const add = (state: string, columns: string) =>
        Effect.map(
          run<{ id: string }>(
            `insert into pg_task (step, wakeup_at, wait_until, waits_for, inbox, tried)
            values ($1, now() + interval '1 hour', now() + interval '1 hour', ${columns}) returning id::text`,
            [`{"Bills":{"${state}":{"to":"ada"}}}`]
          ),
          ([found]) => found!.id
        )
      yield* add("Old", "'{Paid}', null, 0")
      yield* add("Old", "null, null, 2")
      const columns = "id::text, wakeup_at::text, wait_until::text, waits_for, tried"
      const before = yield* run(`select ${columns} from pg_task order by id`)
      const signalled = yield* add("Old", `'{Due}', '{"signals":[{"tag":"Paid","value":{}}]}', 0`)
      const plain = yield* add("OldPlain", "'{Paid}', null, 0")
      assert.deepStrictEqual(yield* Deploy.migrate(Bills), { migrated: 4, unfit: 0, passed: 0 })
      const after = yield* run(`select ${columns} from pg_task where id <> all($1::uuid[]) order by id`, [[
        signalled,
        plain
      ]])
      assert.deepStrictEqual(after, before)
      const due = yield* run(
        "select id::text, waits_for, wait_until is not null as until from pg_task where wakeup_at <= now() order by waits_for"
      )
      assert.deepStrictEqual(due, [
        { id: signalled, waits_for: ["Due"], until: true },
        { id: plain, waits_for: null, until: false }
      ])
    })
  )

  test(
    "of which another session has changed or holds some, are passed over",
    Effect.gen(function*() {
      const ids = [yield* insert(old("a")), yield* insert(old("b"))].sort()
      // Stands for sessions that change the rows after they were read.
      yield* run(
        `create or replace function pg_task_meddle() returns trigger language plpgsql as $$ begin return null; end $$`
      )
      yield* run(`create trigger pg_task_meddle before update on pg_task for each row when (new.step like '%"Read"%')
        execute function pg_task_meddle()`)
      const report = yield* Deploy.migrate(Next)
      yield* run("drop trigger pg_task_meddle on pg_task")
      yield* run("drop function pg_task_meddle")
      assert.deepStrictEqual(report, { migrated: 0, unfit: 0, passed: 2 })
      assert.deepStrictEqual(yield* Deploy.migrate(Next), { migrated: 2, unfit: 0, passed: 0 })
      assert.strictEqual((yield* row(ids[0]!))!.transitions, 0)
    })
  )

  test(
    "are in states that tasks know, or don't",
    Effect.sync(() => {
      assert.isTrue(Deploy.knows([Greeter], { task: "Greeter", step: "SayHello" }))
      assert.isFalse(Deploy.knows([Next], { task: "Greeter", step: "SayHello" }))
      assert.isTrue(Deploy.knows([Next], { task: "Greeter", step: "ReadName" }))
      assert.isFalse(Deploy.knows([Next], { task: "Other", step: "ReadName" }))
      assert.isFalse(Deploy.knows([Next], { task: null, step: null }))
    })
  )
})

workerTests("pg-task", (test) => {
  const pgTask = (...args: ReadonlyArray<string>) =>
    Effect.flatMap(urlOfTest, (url) => runHere([...args, "--module", nextModule, "--url", url]))

  test(
    "check says what fits no state, and ends with 1; migrate-states rewrites, and then all is well",
    Effect.gen(function*() {
      yield* insertMany(2)
      const gone = yield* insert(`{"Greeter":{"SayHello":{"at":"2030-01-01T00:00:00Z"}}}`)
      yield* insert(`{"Other":{"A":{}}}`)
      const failed = yield* pgTask("check")
      assert.strictEqual(failed.code, 1, failed.err)
      assert.match(failed.err, /1 row of 3 fit no state of .* take them over by former states \(Step\.former\)/s)
      for (const part of ["FIT NO STATE", `Greeter has no state "SayHello"`, gone.slice(0, 8), "Other: 1 row"]) {
        assert.include(failed.out, part)
      }
      assert.include(failed.out, "ReadName → Read: 2 rows")
      assert.include(failed.out, "Unused → Read: no rows, so it can go")
      const json = yield* pgTask("check", "--json")
      assert.deepInclude(JSON.parse(json.out), { checked: 3 })
      yield* run("delete from pg_task where id = $1::uuid", [gone])
      assert.strictEqual((yield* pgTask("check")).code, 0)
      const migrated = yield* pgTask("migrate-states")
      assert.deepStrictEqual([migrated.code, migrated.out], [0, "Rewrote 2 rows\n"])
      assert.include((yield* pgTask("check")).out, "ReadName → Read: no rows, so it can go")
      assert.strictEqual((yield* pgTask("migrate-states")).out, "No row was rewritten\n")
    })
  )

  test(
    "list and stats name the states that a module doesn't know",
    Effect.gen(function*() {
      yield* insertMany(1)
      yield* insert(`{"Greeter":{"SayHello":{"at":"2030-01-01T00:00:00Z"}}}`)
      for (const command of ["list", "stats"]) {
        const { code, out } = yield* pgTask(command)
        assert.strictEqual(code, 0)
        assert.match(out, /SayHello \(unknown\)/)
        assert.notMatch(out, /ReadName \(unknown\)/)
        assert.include((yield* pgTask(command, "--json")).out, `"known":`)
      }
    })
  )
})
