/** Tasks of tenants, of which so many may be at work at the same time, and who was. */
import { Effect, Latch, Schema } from "effect"
import { Limit, NextStep, Step, Task } from "../../../src/index.ts"
import { makeGate } from "../worker/Fixture.ts"
import { run } from "../worker/Table.ts"
import { eventually } from "../worker/Wait.ts"

export class Sync extends Schema.TaggedClass<Sync>()("Sync", { tenant: Schema.String, name: Schema.String }) {}

export const sync = (tenant: string, name: string | number) => new Sync({ tenant, name: String(name) })

/** What is at work, and what has been. */
export class Work {
  readonly begun: Array<string> = []
  readonly most = new Map<string, number>()
  private readonly now = new Map<string, number>()

  /** Runs an effect as one task of a tenant. */
  readonly during = <A, E, R>({ name, tenant }: Sync, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const count = (this.now.get(tenant) ?? 0) + 1
        this.now.set(tenant, count)
        this.most.set(tenant, Math.max(this.most.get(tenant) ?? 0, count))
        this.begun.push(name)
      }),
      () => effect,
      () => Effect.sync(() => this.now.set(tenant, this.now.get(tenant)! - 1))
    )
}

export const tenantLimit = (running: number) => Limit.make("tenant", { running })

/** A task whose one step runs `handler`. */
export const makeSyncs = <E, R>(handler: (sync: Sync) => Effect.Effect<unknown, E, R>, running = 2) =>
  Task.make("Syncs", [
    Step.make(Sync, {
      limit: tenantLimit(running).by(({ tenant }) => tenant),
      handler: (sync) => Effect.as(handler(sync), NextStep.none)
    })
  ])

/** The same, and the gate in which its step waits. */
export const makeGated = (running = 1) =>
  Effect.map(makeGate, (gate) => ({ gate, Syncs: makeSyncs(({ name }) => gate.enter(name), running) }))

/** What tests leave behind beside their tasks: the numbers of keys, and what is paused. */
export const resetLimits = run("truncate pg_task_limit, pg_task_paused")

/** Lets its steps wait for each other: until `count` are there. */
export const makeMeeting = (count: number) => {
  const latch = Latch.makeUnsafe()
  let there = 0
  return Effect.suspend(() => {
    there++
    if (there >= count) latch.openUnsafe()
    return latch.await
  })
}

export interface LimitedRow {
  readonly id: string
  readonly name: string
  readonly limit_key: string | null
  readonly slot: number | null
  readonly slots: number | null
  readonly is_running: boolean
  readonly error: string | null
}

/** The rows, by the names of their states. */
export const limitedRows = run<LimitedRow>(
  `select id, (step::json #>> '{Syncs,Sync,name}') as name, limit_key, slot, slots, is_running, error from pg_task
  order by length(step), step`
)

/** Waits until the row waits for a slot. */
export const untilAtDoor = (name: string) =>
  eventually(limitedRows, (rows) => rows.some((row) => row.name === name && row.slot === null))

/** Stores rows at the door, as a worker has left them, in the order of their numbers. */
export const atTheDoor = (tenant: string, count: number, slots = 1) =>
  run(
    `insert into pg_task (step, wakeup_at, limit_key, slots)
    select format('{"Syncs":{"Sync":{"tenant":"%s","name":"%s"}}}', $1::text, n),
      now() - interval '1 hour' + n * interval '1 millisecond', 'tenant:' || $1, $3
    from generate_series(1, $2::int) as n`,
    [tenant, count, slots]
  )

/** `more` of {@link holder}: a worker runs it. */
export const alive = "true, gen_random_uuid(), now() + interval '1 hour'"

/** The same, and that worker died. */
export const dead = "true, gen_random_uuid(), now() - interval '1 minute'"

/** A row that no worker takes has held the slot of the tenant for longer than it may. */
export const foreignHolder = (tenant: string) =>
  run(
    `insert into pg_task (step, limit_key, slot, slots, updated_at)
    values ('{"Foreign":{"State":{}}}', 'tenant:' || $1, 1, 1, now() - interval '31 seconds')`,
    [tenant]
  )

/** A row that holds a slot of the tenant: `more` says what else is in it. */
export const holder = (tenant: string, name: string, more = "") =>
  run<{ id: string }>(
    `insert into pg_task (step, limit_key, slot, slots${more === "" ? "" : ", is_running, lease_token, lease_until"})
    values (format('{"Syncs":{"Sync":{"tenant":"%s","name":"%s"}}}', $1::text, $2::text), 'tenant:' || $1, 1, 1${
      more === "" ? "" : `, ${more}`
    })
    returning id::text`,
    [tenant, name]
  )
