/** What people and producers do, on the table and in the model: by the API, and by the SQL of the documentation. */
import { Effect, Exit } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { Admin } from "../../src/index.ts"
import type { EnqueueError } from "../../src/TaskError.ts"
import { run } from "../support/worker/Table.ts"
import type { Command } from "./Commands.ts"
import * as Model from "./Model.ts"
import { moments, Plain, Safe, waits, Walk } from "./ModelTasks.ts"
import { change, type Expected, pickFrom } from "./Workers.ts"
import { expect, type World } from "./Harness.ts"

type Of<Tag extends Command["_tag"]> = Extract<Command, { readonly _tag: Tag }>

const byHand = (statement: string, params: ReadonlyArray<unknown>) => run(`update pg_task set ${statement}`, params)

/** The row that a command is about, if there is any: mostly one of those for which it is meant. */
const rowOf = (world: World, { pick }: { readonly pick: number }, meant: (row: Model.Row) => boolean = () => true) => {
  const all = [...world.rows.values()]
  const some = all.filter(meant)
  return pickFrom(pick > 5 || some.length === 0 ? all : some, pick)
}

const isParked = ({ error }: Model.Row) => error !== null
const isWaiting = (world: World) => (row: Model.Row) =>
  row.error === null && !row.running && (row.wakeup as number) > world.clock

const nothing = (world: World): Expected => change(world, [])

// ---------------------------------------------------------------------------------------------------------------
// Enqueue
// ---------------------------------------------------------------------------------------------------------------

const states = { Plain: (n: number) => new Plain({ n }), Safe: (n: number) => new Safe({ n }) }

/** `insert` takes whatever there is, `enqueueRaw` what has the right shape, the others the task's own states. */
const toPostgresText = ({ how, step }: Of<"Enqueue">): Model.StepName =>
  how === "insert" || (how === "enqueueRaw" && step !== "garbage")
    ? step
    : step === "Safe"
    ? step
    : "Plain"

const insert = (text: string) =>
  Effect.map(run<{ id: string }>("insert into pg_task (step) values ($1) returning id", [text]), ([row]) => row!.id)

type Ids = Effect.Effect<ReadonlyArray<string>, EnqueueError | SqlError, SqlClient.SqlClient>

const store = (command: Of<"Enqueue">, step: Model.StepName): Ids => {
  const state = states[step === "Safe" ? step : "Plain"](command.n)
  const text = Model.stepText[step](command.n)
  const one = <A, E, R>(id: Effect.Effect<A, E, R>) => Effect.map(id, (id) => [id])
  switch (command.how) {
    case "enqueue":
      return one(Walk.enqueue(state))
    case "delay":
      return one(Walk.delay(state, waits.hour))
    case "schedule":
      return one(Walk.schedule(state, moments.past))
    case "enqueueAll":
      return Walk.enqueueAll([state, state])
    case "enqueueRaw":
      return one(Admin.enqueueRaw(text))
    case "insert":
      return one(insert(text))
  }
}

const due: { readonly [K in Of<"Enqueue">["how"]]?: Model.Moment } = {
  delay: Model.inMillis(waits.hour),
  schedule: moments.past.epochMilliseconds * 1000
}

export const enqueue = (world: World, command: Of<"Enqueue">) => {
  const step = toPostgresText(command)
  const text = Model.stepText[step](command.n)
  return Effect.map(
    store(command, step),
    (ids) => change(world, ids.map((id) => Model.enqueued(id, text, due[command.how])))
  )
}

// ---------------------------------------------------------------------------------------------------------------
// Let go on, sooner or later
// ---------------------------------------------------------------------------------------------------------------

const resumed = { tried: 0, crashes: 0, error: null }
const sooner = (row: Model.Row, clock: number): Model.Moment =>
  (row.wakeup as number) <= clock ? row.wakeup : { fromNow: 0 }

export const clear = (world: World, command: Of<"Clear">) =>
  Effect.gen(function*() {
    const row = rowOf(world, command, isParked)
    if (row === undefined) return nothing(world)
    switch (command.how) {
      case "all":
        yield* byHand("error = null", [])
        return change(world, [...world.rows.values()].map((row) => Model.edited(row, { error: null })))
      case "one":
        yield* byHand("error = null where id = $1::uuid", [row.id])
        return change(world, [Model.edited(row, { error: null })])
      case "one and its tries":
        yield* byHand("error = null, tried = 0 where id = $1::uuid", [row.id])
        return change(world, [Model.edited(row, { error: null, tried: 0 })])
      case "Admin.retry": {
        const retried = yield* Admin.retry(row.id)
        yield* expect(retried === Number(row.error !== null), `retried ${retried}`)
        return row.error === null
          ? nothing(world)
          : change(world, [Model.edited(row, { ...resumed, wakeup: sooner(row, world.clock) })])
      }
    }
  })

export const reschedule = (world: World, command: Of<"Reschedule">) =>
  Effect.gen(function*() {
    const row = rowOf(world, command, isWaiting(world))
    if (row === undefined) return nothing(world)
    switch (command.how) {
      case "now":
        yield* byHand("wakeup_at = now() where id = $1::uuid", [row.id])
        return change(world, [Model.edited(row, { wakeup: { fromNow: 0 } })])
      case "all now": {
        yield* byHand("wakeup_at = now() where error is null and not is_running", [])
        const rows = [...world.rows.values()].filter(Model.isFree)
        return change(world, rows.map((row) => Model.edited(row, { wakeup: { fromNow: 0 } })))
      }
      case "later":
        yield* byHand("wakeup_at = now() + interval '1 day' where id = $1::uuid", [row.id])
        return change(world, [Model.edited(row, { wakeup: Model.inMillis(24 * waits.hour) })])
      case "Admin.runNow": {
        const waits = isWaiting(world)(row)
        const hurried = yield* Admin.runNow(row.id)
        yield* expect(hurried === Number(waits), `hurried ${hurried}`)
        return waits ? change(world, [Model.edited(row, { wakeup: { fromNow: 0 } })]) : nothing(world)
      }
    }
  })

// ---------------------------------------------------------------------------------------------------------------
// Edit
// ---------------------------------------------------------------------------------------------------------------

const tryEdit = (row: Model.Row, command: Of<"Edit">, text: string) => {
  const { how, n, step } = command
  switch (how) {
    case "by hand":
      return byHand("step = $2 where id = $1::uuid and not is_running", [row.id, text])
    case "by hand, though it runs":
      return byHand("step = $2 where id = $1::uuid", [row.id, text])
    case "Admin.edit":
      return Admin.edit(Walk, row.id, states[step === "Safe" ? step : "Plain"](n))
    case "Admin.editRaw":
      return Admin.editRaw(row.id, text)
  }
}

/** Whether an edit should be carried out. */
const mayEdit = (row: Model.Row, { how, step }: Of<"Edit">): boolean => {
  if (how === "by hand, though it runs") return true
  if (row.running) return false
  return how === "by hand" || (how === "Admin.edit" ? row.task === "Walk" : step !== "garbage")
}

/** A row with a key stays in its task: in another one, its key could be taken. */
const isOtherTask = ({ n, step }: Of<"Edit">): boolean => Model.enqueued("", Model.stepText[step](n)).task !== "Walk"

export const edit = (world: World, command: Of<"Edit">) =>
  Effect.gen(function*() {
    const row = rowOf(world, command)
    if (row === undefined || (row.key !== null && isOtherTask(command))) return nothing(world)
    const name = command.how === "Admin.edit" && command.step !== "Safe" ? "Plain" : command.step
    const text = Model.stepText[name](command.n)
    const byApi = command.how.startsWith("Admin")
    const exit = yield* Effect.exit(tryEdit(row, command, text))
    const may = mayEdit(row, command)
    yield* expect(Exit.isSuccess(exit) === (may || !byApi), `the edit ended with ${exit._tag}`)
    return may
      // By the API it counts as a transition.
      ? change(world, [Model.edited(row, { step: text, transitions: row.transitions + Number(byApi) })])
      : nothing(world)
  })

// ---------------------------------------------------------------------------------------------------------------
// The rest
// ---------------------------------------------------------------------------------------------------------------

export const pause = (world: World, command: Of<"Pause">) =>
  Effect.gen(function*() {
    const row = rowOf(world, command, ({ running }) => running)
    if (row === undefined) return nothing(world)
    yield* byHand("error = $2 where id = $1::uuid", [row.id, Model.pausedByHand])
    return change(world, [Model.edited(row, { error: Model.pausedByHand })])
  })

export const setCounts = (world: World, command: Of<"SetCounts">) =>
  Effect.gen(function*() {
    const row = rowOf(world, command)
    if (row === undefined) return nothing(world)
    const { crashes, tried } = command
    yield* byHand("tried = $2::int, crashes = $3::int where id = $1::uuid", [row.id, tried, crashes])
    return change(world, [Model.edited(row, { tried, crashes })])
  })

/** Time passes. */
export const lapse = (world: World, { pick, to }: Of<"Lapse">) =>
  Effect.gen(function*() {
    const row = pickFrom([...world.rows.values()].filter(({ running }) => running), pick)
    if (row === undefined) return nothing(world)
    const past = to === "the past"
    yield* byHand(`lease_until = ${past ? "now() - interval '1 second'" : "null"} where id = $1::uuid`, [row.id])
    return change(world, [Model.edited(row, { leaseUntil: past ? Model.inMillis(-1000) : null })])
  })

export const die = (world: World, { worker }: Of<"Die">) =>
  Effect.gen(function*() {
    const isOwn = (attempt: { readonly worker: number }) => attempt.worker === worker
    const tokens = [...new Set(world.attempts.filter(isOwn).map(({ belief }) => belief.token))]
    const dead = [...world.rows.values()].filter(({ token }) => token !== null && tokens.includes(token))
    yield* byHand("lease_until = now() - interval '1 second' where lease_token = any($1::uuid[])", [tokens])
    world.attempts = world.attempts.filter((attempt) => !isOwn(attempt))
    return change(world, dead.map((row) => Model.edited(row, { leaseUntil: Model.inMillis(-1000) })))
  })

export const cancel = (world: World, command: Of<"Cancel">) =>
  Effect.gen(function*() {
    const row = rowOf(world, command)
    if (row === undefined) return nothing(world)
    yield* command.how === "delete"
      ? run("delete from pg_task where id = $1::uuid", [row.id])
      : Admin.cancel(row.id)
    const rows = new Map(world.rows)
    rows.delete(row.id)
    return { rows, notes: world.notes }
  })
