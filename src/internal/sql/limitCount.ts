/** What is known of a limit, or of one of its keys, for people: the record, and the parts of statements that read it. */
import { anyNumber, setSlotsOf } from "./limitSchema.ts"
import { millisUntil } from "./time.ts"

export interface LimitCount {
  readonly name: string
  /** Null: the limit has no keys, or these are all of them together. */
  readonly key: string | null
  /** Null where only a rate limits them, or nothing is known: the limit is paused, and none of its rows is there. */
  readonly slots: number | null
  /** What somebody has set for it, or for each key of it. Null: nobody has, and the code says it. */
  readonly setSlots: number | null
  readonly rateLimit: number | null
  /** In milliseconds. */
  readonly ratePer: number | null
  readonly holders: number
  readonly running: number
  readonly waiting: number
  /** In milliseconds. */
  readonly oldest: number | null
  /** It is paused by itself. */
  readonly paused: boolean
  /** The whole limit is paused. */
  readonly limitPaused: boolean
  /** For how many milliseconds it backs off by itself. Null if it does not. */
  readonly held: number | null
  /** For how many milliseconds the whole limit backs off. */
  readonly limitHeld: number | null
}

export const nameOf = (key: string) => `split_part(${key}, ':', 1)`
export const hasKey = (key: string) => `strpos(${key}, ':') > 0`
export const keyOf = (key: string) => `substr(${key}, strpos(${key}, ':') + 1)`

export const isPausedItself = (name: string) =>
  `exists (select from pg_task_paused p where p.kind = 'limit' and p.name = ${name})`

export const slotsOf = (key: string, otherwise: string) =>
  `nullif(coalesce(${
    setSlotsOf(key)
  }, (select o.slots from pg_task_limit o where o.key = ${key}), ${otherwise}), ${anyNumber})`

const heldFor = (key: string) =>
  `(select ${millisUntil("o.held_until")} from pg_task_limit o where o.key = ${key} and o.held_until > now())`

/** What was set for a key, its rate, as a worker has said it last, and for how long it backs off. */
export const notedOf = (key: string) =>
  `(select o.set_slots from pg_task_limit o where o.key = ${key}) as "setSlots",
  (select o.rate_limit from pg_task_limit o where o.key = ${key}) as "rateLimit",
  (select o.rate_per from pg_task_limit o where o.key = ${key}) as "ratePer", ${heldFor(key)} as held`

/** What keeps tasks of a key from starting, beside its slots. */
export const brakes = (key: string) =>
  `${isPausedItself(key)} as paused, ${isPausedItself(nameOf(key))} as "limitPaused",
  ${notedOf(key)}, ${heldFor(nameOf(key))} as "limitHeld"`
