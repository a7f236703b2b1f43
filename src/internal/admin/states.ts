/** Whether the rows of the table fit the states of these tasks, and the rewriting of rows in former states. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskTableError } from "../../TaskError.ts"
import { type Decoded, DecodeError, readStep } from "../definition/codec.ts"
import { definitionOf, type TaskDefinition } from "../definition/task.ts"
import { toTableError } from "../sql/errors.ts"
import { countOthers, readFormer, readStates, type Rewrite, rewrite, start, type StateRow } from "../sql/states.ts"

/** Rows in one former state. */
export interface FormerRows {
  readonly task: string
  readonly former: string
  /** The state that takes it over. */
  readonly step: string
  readonly count: number
}

/** Rows that fit no state, for one reason. */
export interface UnfitRows {
  readonly task: string | null
  readonly step: string | null
  readonly message: string
  readonly count: number
  /** The id of one of them. */
  readonly example: string
}

export interface CheckReport {
  readonly checked: number
  readonly formers: ReadonlyArray<FormerRows>
  readonly unfit: ReadonlyArray<UnfitRows>
  readonly otherTasks: ReadonlyArray<{ readonly task: string; readonly count: number }>
}

export interface MigrateReport {
  readonly migrated: number
  readonly unfit: number
  readonly passed: number
}

export interface StatesOptions {
  readonly onProgress?: ((rows: number) => Effect.Effect<void>) | undefined
}

/** Messages quote what is in the row: with more different ones than this, the rest is counted together. */
const maxGroups = 100

/** Counts rows by their reason. */
class Groups {
  private readonly groups = new Map<string, UnfitRows>()

  add({ example, message, step, task }: Omit<UnfitRows, "count">): void {
    const exact = JSON.stringify([task, step, message])
    const isNew = !this.groups.has(exact) && this.groups.size >= maxGroups
    const group = isNew ? { task, step, message: "other reasons", example } : { task, step, message, example }
    const key = isNew ? JSON.stringify([task, step]) : exact
    this.groups.set(key, { ...group, example: this.groups.get(key)?.example ?? example, count: this.countOf(key) + 1 })
  }

  private countOf(key: string): number {
    return this.groups.get(key)?.count ?? 0
  }

  get largestFirst(): ReadonlyArray<UnfitRows> {
    return [...this.groups.values()].sort((a, b) => b.count - a.count)
  }
}

type Tasks = ReadonlyMap<string, TaskDefinition>

const tasksOf = (tasks: unknown): Tasks =>
  new Map((Array.isArray(tasks) ? tasks : [tasks]).map(definitionOf).map((task) => [task.name, task]))

const formersOf = (tasks: Tasks): ReadonlyArray<FormerRows> =>
  [...tasks.values()].flatMap((task) =>
    task.steps.flatMap(({ from, tag }) =>
      from.map((former) => ({ task: task.name, former: former.tag, step: tag, count: 0 }))
    )
  )

const message = (error: unknown): string => error instanceof Error ? error.message : String(error)

/** A state in a row: its own, or the one that waits to replace it. */
interface StoredState extends Pick<StateRow, "id" | "step"> {
  readonly isPending?: boolean
}

const statesIn = (row: StateRow): ReadonlyArray<StoredState> =>
  row.replaced ? [row, { id: row.id, step: row.pending, isPending: true }] : [row]

const decode = (tasks: Tasks, row: Pick<StateRow, "step">): Effect.Effect<Decoded, DecodeError> => {
  const parsed = readStep(row.step)
  if (parsed instanceof DecodeError) return parsed
  const task = tasks.get(parsed.task)
  return task?.codec.decode(parsed) ?? new DecodeError({ message: `no task has the name "${parsed.task}"` })
}

/** What a row became, as text, if it is in a former state; undefined if it is in one of today. */
const formerText = (tasks: Tasks, task: string, { former, state }: Decoded) =>
  former === undefined ? Effect.succeed(undefined) : tasks.get(task)!.codec.encode(state)

const namesIn = (row: Pick<StateRow, "step">): { readonly task: string | null; readonly step: string | null } => {
  const parsed = readStep(row.step)
  return parsed instanceof DecodeError ? { task: null, step: null } : { task: parsed.task, step: parsed.tag }
}

/** The same for a defect: the function of a former state may have one. */
const fits = (tasks: Tasks, row: Pick<StateRow, "step">) =>
  Effect.exit(Effect.gen(function*() {
    const decoded = yield* decode(tasks, row)
    return {
      former: decoded.former,
      waits: decoded.step.on !== undefined,
      text: yield* formerText(tasks, namesIn(row).task!, decoded)
    }
  }))

/** Reads page after page. */
const eachPage = Effect.fnUntraced(function*<E, R>(
  read: (after: string) => Effect.Effect<ReadonlyArray<StateRow>, SqlError>,
  { onProgress }: StatesOptions,
  use: (rows: ReadonlyArray<StateRow>) => Effect.Effect<void, E, R>
) {
  let [after, done] = [start, 0]
  for (;;) {
    const rows = yield* read(after)
    if (rows.length === 0) return done
    yield* use(rows)
    after = rows.at(-1)!.id
    done += rows.length
    if (onProgress !== undefined) yield* onProgress(done)
  }
})

const isPlain = (decoded: Effect.Effect<Decoded, DecodeError>): boolean =>
  Exit.isExit(decoded) && Exit.isSuccess(decoded) && (decoded.value as Decoded).former === undefined

export const checkStates = Effect.fn("Deploy.check")(function*(
  given: unknown,
  options: StatesOptions = {}
): Effect.fn.Return<CheckReport, TaskTableError | SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const tasks = tasksOf(given)
  const names = [...tasks.keys()]
  const unfit = new Groups()
  const counts = new Map<string, number>()
  const checked = yield* eachPage((after) => readStates(sql, names, after), options, (rows) =>
    Effect.gen(function*() {
      for (const row of rows.flatMap(statesIn)) {
        // Most rows are in a state of today, and decoded without an effect.
        if (isPlain(decode(tasks, row))) continue
        const exit = yield* fits(tasks, row)
        if (Exit.isFailure(exit)) {
          const why = message(Cause.squash(exit.cause))
          const text = row.isPending === true ? `In "pending", the state that is to replace this one: ${why}` : why
          unfit.add({ ...namesIn(row), message: text, example: row.id })
        } else if (exit.value.former !== undefined) {
          const key = JSON.stringify([namesIn(row).task, exit.value.former])
          counts.set(key, (counts.get(key) ?? 0) + 1)
        }
      }
    }))
  const formers = formersOf(tasks).map((one) => ({
    ...one,
    count: counts.get(JSON.stringify([one.task, one.former])) ?? 0
  }))
  return { checked, formers, unfit: unfit.largestFirst, otherTasks: yield* countOthers(sql, names) }
}, Effect.catchTag("SqlError", toTableError))

export const migrateStates = Effect.fn("Deploy.migrate")(function*(
  given: unknown,
  options: StatesOptions = {}
): Effect.fn.Return<MigrateReport, TaskTableError | SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const tasks = tasksOf(given)
  const formers = formersOf(tasks)
  let [migrated, unfit, tried] = [0, 0, 0]
  yield* eachPage((after) => readFormer(sql, formers, after), options, (rows) =>
    Effect.gen(function*() {
      const rewrites: Array<Rewrite> = []
      for (const row of rows) {
        const exit = yield* fits(tasks, row)
        if (Exit.isFailure(exit)) unfit++
        else if (exit.value.text !== undefined) {
          rewrites.push({ id: row.id, from: row.step!, to: exit.value.text, waits: exit.value.waits })
        }
      }
      tried += rewrites.length
      migrated += yield* rewrite(sql, rewrites)
    }))
  return { migrated, unfit, passed: tried - migrated }
}, Effect.catchTag("SqlError", toTableError))
