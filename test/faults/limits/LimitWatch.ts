/** Looks at the slots while a round goes on. */
import { Effect } from "effect"
import { persist } from "../Persist.ts"
import type { Scene } from "../FaultContext.ts"
import { rateOf, runningOf } from "./LimitPlan.ts"

/** How long a look at the table took. In milliseconds since 1970. */
export interface Look {
  readonly at: number
  readonly took: number
}

/** A key, in one snapshot of the table. */
interface KeyNow {
  readonly key: string
  readonly holders: number
  /** How many different slots these hold. */
  readonly slots: number
  readonly highest: number
  /** Whether a due row waits for a slot that could be given. */
  readonly waits: boolean
  /** The number that somebody has set, of the key or of its limit. */
  readonly set: number | null
  /** Changes when a start takes a moment of the key's rate. */
  readonly moment: string
}

const lookEvery = 150

/** So long after all workers have started there is quiet, in milliseconds. */
const calmAfter = 3000

/**
 * A free slot is given to a row that waits within about a second, if nothing is wrong. The machine may have much else to
 * do: so it may take longer where a look at the table takes long here, too. The longest time is in the log. In
 * milliseconds.
 */
const longestOpen = 5000
const longestByLook = 20
/** Of a look, after each that follows: after five seconds a fifth of it is left. */
const fading = 0.95

const look = ({ sql }: Scene) =>
  persist(sql<KeyNow>`select k.key, k.holders, k.slots, k.highest, coalesce(l.next_at::text, '') as moment,
      coalesce(l.set_slots, w.set_slots) as set,
      k.waits and s.most is distinct from 0 as waits
    from (
      select limit_key as key, count(*) filter (where slot > 0)::int as holders,
        count(distinct slot) filter (where slot > 0)::int as slots, coalesce(max(slot), 0)::int as highest,
        bool_or(slot is null and wakeup_at <= now() and error is null and ended_at is null and not exists (
          select from pg_task_paused p where p.name in (task, limit_key, split_part(limit_key, ':', 1)))) as waits
      from pg_task where task = 'BesideLimited' and limit_key is not null group by 1
    ) k left join pg_task_limit l on l.key = k.key left join pg_task_limit w on w.key = split_part(k.key, ':', 1)
    cross join lateral pg_task_starts(k.key) s`)

export const isFixed = ({ sql }: Scene): Effect.Effect<boolean> =>
  Effect.map(persist(sql<{ fixed: boolean }>`select fixed from world`), (rows) => rows[0]?.fixed === true)

/** Whoever has a slot of a rate waits for a moment, or for a worker: only where nobody has one does nothing go on. */
const isOpen = ({ holders, key, set, waits }: KeyNow) =>
  waits && (rateOf(key) === undefined ? holders < Math.min(runningOf(key), set ?? Infinity) : holders === 0)

export class LimitWatch {
  private readonly scene: Scene
  /** How long each look took. */
  readonly looks: Array<Look> = []
  /** Since when a key has had a free slot and a row that waits, by the local clock. */
  private readonly openSince = new Map<string, number>()
  private readonly complained = new Set<string>()
  private longest = 0
  /** How long the looks of the last seconds took at most, in milliseconds. */
  private slowest = 0

  constructor(scene: Scene) {
    this.scene = scene
  }

  /** Looks, until it is interrupted. */
  get run(): Effect.Effect<never> {
    const { scene } = this
    const watch = Effect.gen({ self: this }, function*() {
      let quietAt = Infinity
      for (;;) {
        if (quietAt === Infinity && (yield* isFixed(scene))) {
          yield* scene.crew.ready
          quietAt = performance.now() + calmAfter
        }
        const [startedAt, at] = [performance.now(), Date.now()]
        const rows = yield* look(scene)
        scene.log.count("looks at the slots")
        this.looks.push({ at, took: performance.now() - startedAt })
        this.judge(rows)
        if (performance.now() >= quietAt) this.judgeQuiet(rows, performance.now() - startedAt)
        yield* Effect.sleep(lookEvery)
      }
    })
    return Effect.ensuring(watch, Effect.sync(() => this.report()))
  }

  private report(): void {
    if (this.longest > 0) this.scene.log.say(`a free slot waited for ${Math.round(this.longest)} ms at most`)
  }

  private judge(rows: ReadonlyArray<KeyNow>): void {
    for (const row of rows) {
      const { highest, holders, key, slots } = row
      const most = runningOf(key)
      if (holders > most || slots < holders || highest > most) this.complain(`slots: ${JSON.stringify(row)}`)
    }
  }

  private judgeQuiet(rows: ReadonlyArray<KeyNow>, took: number): void {
    const now = performance.now()
    this.slowest = Math.max(took, this.slowest * fading)
    const allowed = longestOpen + longestByLook * this.slowest
    const open = new Map(rows.filter(isOpen).map((row) => [`${row.key} ${row.moment}`, row.key]))
    for (const key of this.openSince.keys()) if (!open.has(key)) this.openSince.delete(key)
    for (const [which, key] of open) {
      const since = this.openSince.get(which) ?? now
      this.openSince.set(which, since)
      this.longest = Math.max(this.longest, now - since)
      if (now - since > allowed) {
        const waited = `${Math.round(now - since)} ms, and looks took ${Math.round(this.slowest)} ms`
        this.complain(`${key} has had a free slot and a row that waits for it, for too long: ${waited}`)
      }
    }
  }

  private complain(what: string): void {
    const [kind] = what.split(": ")
    if (!this.complained.has(kind!)) this.scene.log.wrong(what)
    this.complained.add(kind!)
  }
}
