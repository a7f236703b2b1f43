/** What people and programs in other languages do with rows that wait: by SQL, by `Admin`, and by `pg-task`. */
import { assert } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { fileURLToPath } from "node:url"
import { Admin, type TaskId } from "../../src/index.ts"
import { lines, pgTask } from "../support/cli/cli.ts"
import { clientOf, role } from "../support/database/roles.ts"
import { start, workerTests } from "../support/worker/Fixture.ts"
import { notes, prepareNotes } from "../support/worker/Notes.ts"
import { Approved, AwaitApproval, makeOrders } from "../support/worker/Orders.ts"
import { gone, insert, run } from "../support/worker/Table.ts"
import { waiting, waitRow } from "../support/worker/Waits.ts"

const Orders = makeOrders()
const module = fileURLToPath(new URL("../support/cli/Orders.ts", import.meta.url))

const step = (state: string, fields: object) => JSON.stringify({ Orders: { [state]: fields } })

/** A row that waits, as a worker has left it. */
const insertWaiting = Effect.map(
  run<{ id: TaskId.TaskId }>(
    `insert into pg_task (step, waits_for, wait_until, wakeup_at)
    values ($1, '{Approved,Rejected}', now() + interval '1 hour', now() + interval '1 hour') returning id`,
    [step("AwaitApproval", { order: "1" })]
  ),
  (rows) => rows[0]!.id
)

workerTests("waiting rows and SQL", (test) => {
  test(
    "a row that is inserted into a waiting state is armed, and goes on with pg_task_signal",
    Effect.gen(function*() {
      yield* prepareNotes
      yield* start({ tasks: [Orders] })
      const id = yield* insert(step("AwaitApproval", { order: "1" }))
      assert.deepStrictEqual((yield* waiting(id)).waits_for, ["Approved", "Rejected"])
      assert.deepStrictEqual(yield* run(`select pg_task_signal($1, 'Approved', '{"by":"psql"}') as sent`, [id]), [
        { sent: true }
      ])
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["packed 1 for psql"])
    })
  )

  test(
    "a state that is corrected as the SQL reference says is run, though the row waited: it gets another idempotency key, too",
    Effect.gen(function*() {
      yield* prepareNotes
      const id = yield* insertWaiting
      yield* run(
        `update pg_task set step = $2, error = null, tried = 0, transitions = transitions % 2147483647 + 1
        where id = $1 and not is_running`,
        [id, step("Pack", { order: "2", by: "psql" })]
      )
      const [found] = yield* run("select waits_for, wait_until, wakeup_at <= now() as due, transitions from pg_task")
      assert.deepStrictEqual(found, { waits_for: null, wait_until: null, due: true, transitions: 1 })
      yield* start({ tasks: [Orders] })
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["packed 2 for psql"])
    })
  )

  test(
    "pg_task_signal knows duplicates, and refuses what can't be",
    Effect.gen(function*() {
      const id = yield* insertWaiting
      const send = (fields: string, key: string | null) =>
        Effect.map(
          run<{ sent: boolean }>("select pg_task_signal($1, 'Approved', $2, $3) as sent", [id, fields, key]),
          (rows) => rows[0]?.sent
        )
      assert.isTrue(yield* send(`{"by":"a"}`, "k"))
      assert.isFalse(yield* send(`{"by":"b"}`, "k"))
      const failure = (text: string, ...params: ReadonlyArray<unknown>) =>
        Effect.map(Effect.flip(run(text, params)), Admin.messageOf)
      assert.match(yield* failure("select pg_task_signal($1, 'Approved', '5')", id), /must be a JSON object/)
      assert.match(yield* failure("select pg_task_signal($1, '$timeout')", id), /'\$timeout' is no signal/)
      assert.match(yield* failure("select pg_task_signal(gen_random_uuid(), 'Approved')"), /there is no task/)
      yield* run(
        `update pg_task set inbox = (select jsonb_build_object('signals', jsonb_agg(jsonb_build_object('tag', 'Other')))
        from generate_series(1, 1000))`
      )
      assert.match(yield* failure("select pg_task_signal($1, 'Approved')", id), /the inbox of task .* is full/)
    })
  )

  test(
    "pg_task_signal needs the rights to read and to update the table, and no other",
    Effect.gen(function*() {
      const id = yield* insertWaiting
      const name = yield* role
      const signaller = yield* clientOf(name)
      const send = Effect.exit(Effect.provide(run("select pg_task_signal($1, 'Approved', '{}')", [id]), signaller))
      yield* run(`grant select on pg_task to ${name}`)
      assert.strictEqual((yield* send)._tag, "Failure")
      yield* run(`grant update on pg_task to ${name}`)
      assert.strictEqual((yield* send)._tag, "Success")
      yield* run(`revoke update on pg_task from ${name}`)
      yield* run(`grant update (inbox, wakes, wakeup_at, updated_at) on pg_task to ${name}`)
      assert.strictEqual((yield* send)._tag, "Success")
    })
  )

  test(
    "the view says what a row waits for",
    Effect.gen(function*() {
      const id = yield* insertWaiting
      const view = () => run("select status, waits_for from pg_task_status where id = $1", [id])
      assert.deepStrictEqual(yield* view(), [{ status: "waiting", waits_for: ["Approved", "Rejected"] }])
      yield* Orders.signal(id, new Approved({ by: "ada" }))
      assert.deepStrictEqual(yield* view(), [{ status: "ready", waits_for: ["Approved", "Rejected"] }])
    })
  )
})

workerTests("waiting rows and Admin", (test) => {
  test(
    "they have a status of their own, say what they wait for, and list their signals",
    Effect.gen(function*() {
      const id = yield* insertWaiting
      yield* insert(step("Pack", { order: "1", by: "x" }))
      yield* Orders.enqueue(new AwaitApproval({ order: "later" }), { delay: "1 hour" })
      const counts = yield* Admin.counts()
      assert.deepStrictEqual(counts.map(({ count, status }) => [status, count]), [
        ["scheduled", 1],
        ["waiting", 1],
        ["ready", 1]
      ])
      assert.deepStrictEqual((yield* Admin.list({ status: "waiting" })).rows.map((row) => row.id), [id])
      assert.deepStrictEqual((yield* Admin.list({ waitsFor: "Approved" })).rows.map((row) => row.id), [id])
      assert.deepStrictEqual((yield* Admin.list({ waitsFor: "Other" })).rows, [])
      yield* run(`select pg_task_signal($1, 'Other', '{"n":12345678901234567890}', 'k')`, [id])
      // Ready: whichever worker takes it knows whether its state waits for that today.
      const row = yield* Admin.get(id)
      assert.deepStrictEqual([row.status, row.waitsFor, row.signals], ["ready", ["Approved", "Rejected"], 1])
      assert.isTrue(DateTime.isDateTime(row.waitUntil))
      const [signal] = yield* Admin.inbox(id)
      assert.deepInclude(signal!, { signal: "Other", fields: `{"n": 12345678901234567890}`, dedupe: "k" })
      assert.isTrue(DateTime.isDateTime(signal!.sentAt))
    })
  )

  test(
    "a signal is sent without the declaration, or checked by it",
    Effect.gen(function*() {
      yield* prepareNotes
      const id = yield* insertWaiting
      const bad = ["5", "{", "[]"]
      for (const fields of bad) {
        assert.strictEqual((yield* Effect.flip(Admin.signal(id, "Approved", fields)))._tag, "TaskInvalidSignalError")
      }
      assert.strictEqual((yield* Effect.flip(Admin.signal("no id", "Approved")))._tag, "TaskIdError")
      assert.strictEqual(
        (yield* Effect.flip(Admin.decodeSignal(Orders, "Nobody", "{}")))._tag,
        "TaskInvalidSignalError"
      )
      const unfit = yield* Effect.flip(Admin.decodeSignal(Orders, "Approved", `{"by":7}`))
      assert.match(unfit.message, /Orders: the signal "Approved" doesn't fit its schema/)
      assert.deepStrictEqual(
        yield* Admin.decodeSignal(Orders, "Approved", `{"by":"ada"}`) as Effect.Effect<unknown>,
        new Approved({ by: "ada" })
      )
      yield* Admin.signal(id, "Approved", `{"by":"ada"}`)
      yield* start({ tasks: [Orders] })
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["packed 1 for ada"])
    })
  )

  test(
    "endWait lets the time be over of those that have one; runNow leaves them alone",
    Effect.gen(function*() {
      yield* prepareNotes
      const id = yield* insertWaiting
      const other = yield* insertWaiting
      yield* run("update pg_task set wait_until = null, wakeup_at = 'infinity' where id = $1", [other])
      assert.strictEqual(yield* Admin.runNow({ task: Orders }), 0)
      assert.strictEqual(yield* Admin.endWait({ task: Orders }), 1)
      yield* start({ tasks: [Orders] })
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["timed out 1"])
      assert.strictEqual((yield* waitRow(other))?.status, "waiting")
    })
  )

  test(
    "an edit makes it due: it no longer waits for what the old state waited for",
    Effect.gen(function*() {
      yield* prepareNotes
      const id = yield* insertWaiting
      yield* Admin.editRaw(id, step("Pack", { order: "1", by: "edit" }))
      assert.deepInclude(yield* waitRow(id), { status: "ready", waits_for: null, wait_until: null })
    })
  )
})

workerTests("waiting rows and pg-task", (test) => {
  test(
    "show, list, stats and signal",
    Effect.gen(function*() {
      yield* prepareNotes
      const id = yield* insertWaiting
      const shown = (yield* pgTask(["show", id])).out
      assert.match(shown, /status +waiting for/)
      assert.match(shown, /waits for +Approved, Rejected\n/)
      assert.match(shown, /wait until +20/)
      assert.match(shown, new RegExp(`signal ${id.slice(0, 8)} Approved '{…}'`))
      assert.match(
        lines(yield* pgTask(["list", "--waits-for", "Approved"]))[1]!,
        /waiting .* for Approved, Rejected, until in/
      )
      assert.match((yield* pgTask(["stats"])).out, /WAITING/)
      const wrong = yield* pgTask(["signal", id, "Approved", `{"by":7}`, "--module", module])
      assert.strictEqual(wrong.code, 1)
      assert.match(wrong.err, /the signal "Approved" doesn't fit its schema/)
      const other = yield* pgTask(["signal", id, "Other", "{}", "--dedupe", "k"])
      assert.match(other.err, /the signal is kept until it does/)
      assert.match((yield* pgTask(["show", id])).out, /SIGNALS\n {2}Other {2}\{\} {2}20.*, key k\n/)
      const json = JSON.parse((yield* pgTask(["show", id, "--json"])).out)
      assert.deepStrictEqual([json.waitsFor, json.inbox.length], [["Approved", "Rejected"], 1])
      const sent = yield* pgTask(["signal", id.slice(0, 8), "Approved", `{"by":"cli"}`, "-m", module])
      assert.deepStrictEqual(sent, { out: `Sent Approved to ${id}\n`, err: "", code: 0 })
      yield* start({ tasks: [Orders] })
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["packed 1 for cli"])
    })
  )

  test(
    "end-wait",
    Effect.gen(function*() {
      const id = yield* insertWaiting
      assert.deepStrictEqual(yield* pgTask(["end-wait", id]), { out: "Ended the wait of 1 task\n", err: "", code: 0 })
      assert.strictEqual((yield* waitRow(id))?.status, "ready")
      const none = yield* pgTask(["end-wait", id])
      assert.match(none.err, /is ready, not waiting/)
    })
  )
})
