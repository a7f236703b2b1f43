/** The state of a row, as the dashboard knows it. */
import { isObject } from "effect/Predicate"
import type * as Admin from "../../Admin.ts"
import type * as Task from "../../Task.ts"
import { type Site, taskOf } from "../site.ts"
import { type Field, fieldsOfState, holdsMask } from "./fields.ts"

type Fields = Readonly<Record<string, unknown>>

export interface State {
  readonly task: Task.Any | undefined
  readonly step: Task.Any["steps"][number] | undefined
  /** The step that takes the row over, if its state is a former one. */
  readonly heir: Task.Any["steps"][number] | undefined
  /** Undefined if no task of the dashboard has this state. */
  readonly schema: ReadonlyArray<Field> | undefined
  /** As they are stored. Undefined if the row doesn't have the shape of a task. */
  readonly stored: Fields | undefined
  /** The same, with masks. */
  readonly fields: Fields | undefined
}

export const isRecord = (value: unknown): value is Fields => isObject(value) && !Array.isArray(value)

/** The fields in `{"Task":{"State":{…}}}`. */
const parse = ({ raw, step, task }: Admin.Row): Fields | undefined => {
  if (task === null || step === null) return undefined
  try {
    const parsed: unknown = JSON.parse(raw)
    const state = isRecord(parsed) ? parsed[task] : undefined
    const fields = isRecord(state) ? state[step] ?? {} : undefined
    return isRecord(fields) ? fields : undefined
  } catch {
    return undefined
  }
}

const mask = "••••••"

/** Hides what the schema masks. */
export const masked = (fields: ReadonlyArray<Field>, values: Fields): Fields => {
  const byName = new Map(fields.map((field) => [field.name, field]))
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      const field = byName.get(name)
      if (field === undefined || value === null || !holdsMask(field)) return [name, value]
      // What does not fit its schema may be anything, and hold anything.
      const isGroup = !field.masked && field.control.kind === "object" && isRecord(value)
      return [name, isGroup ? masked(field.control.fields, value) : mask]
    })
  )
}

const heirOf = (task: Task.Any | undefined, tag: string | null) =>
  task?.steps.find(({ from }) => from.some((former) => former.tag === tag))

export const stepOf = (task: Task.Any | undefined, tag: string | null) => task?.steps.find((step) => step.tag === tag)

export const stateOf = (site: Site, row: Admin.Row): State => {
  const task = taskOf(site, row.task)
  const step = stepOf(task, row.step)
  const heir = step === undefined ? heirOf(task, row.step) : undefined
  const former = heir?.from.find(({ tag }) => tag === row.step)
  const known = step?.state ?? former?.state
  const schema = known && fieldsOfState(known)
  const stored = parse(row)
  return {
    task,
    step,
    heir,
    schema,
    stored,
    fields: stored && (schema === undefined ? stored : masked(schema, stored))
  }
}
