/** Claimed rows ask for a slot, or for a moment of their rate: many with one statement. */
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Entered } from "../attempt/limit.ts"
import { codeOf, failureKindOf, messageOf } from "../sql/errors.ts"
import type { EnteredRow, Entering, NextMoment } from "../sql/limits.ts"
import type { Rows } from "../sql/query.ts"
import type { Knock, Line } from "./knocks.ts"

/** The locks of more keys than these are never held together. */
const maxKeys = 50

/** More rows in one statement would hold its locks for longer. */
const maxRows = 200

/** How many rows one statement may concern now: fewer where the server has cancelled one because it took too long. */
export class BatchSize {
  private most = maxRows

  get rows(): number {
    return this.most
  }

  get keys(): number {
    return Math.min(maxKeys, this.most)
  }

  /** Where the server lets no statement take long, smaller ones come through. Undefined: one has. */
  adapt(error: SqlError | undefined): void {
    if (error === undefined) this.most = Math.min(this.most * 2, maxRows)
    else if (codeOf(error) === "57014") this.most = Math.max(this.most >> 1, 1)
  }
}

type Answer = ReadonlyArray<EnteredRow | NextMoment>

export interface EntranceOptions<K extends Knock> {
  readonly now: () => number
  readonly line: Line<K>
  readonly size: BatchSize
  /** The statement that asks. */
  readonly ask: (rows: ReadonlyArray<Entering>) => Rows<EnteredRow | NextMoment>
  /** Sends a statement until the database takes it, or refuses it for another reason than being away. */
  readonly send: (statement: Rows<EnteredRow | NextMoment>) => Rows<EnteredRow | NextMoment>
  /** What became of these, of which the statement was sent at `sentAt`. */
  readonly settle: (results: ReadonlyArray<Entered & { readonly knock: K }>, sentAt: number) => void
  /** The rest of the answer: rows that got a slot and did not ask, or not in time, and the next moments of keys. */
  readonly told: (rows: Answer) => void
}

/** The first items of a list whose keys are few enough. */
const takeKeys = <K extends Knock>(knocks: Array<K>, size: BatchSize): Array<K> => {
  const keys = new Set<string>()
  let count = 0
  for (const { limit } of knocks) {
    keys.add(limit.key)
    if (keys.size > size.keys || count === size.rows) break
    count++
  }
  return knocks.splice(0, count)
}

export class Entrance<K extends Knock> {
  private readonly options: EntranceOptions<K>

  constructor(options: EntranceOptions<K>) {
    this.options = options
  }

  /** Works until its fiber is interrupted. */
  get run(): Effect.Effect<never> {
    return Effect.forever(Effect.andThen(
      this.options.line.mayEnter.wait(),
      // The others of a claim come in the same turn.
      Effect.andThen(Effect.yieldNow, Effect.suspend(() => this.enterAll()))
    ))
  }

  private enterAll(): Effect.Effect<void> {
    const { line: { waiting }, size } = this.options
    return Effect.whileLoop({
      while: () => waiting.length > 0,
      body: () => this.enterBatch(takeKeys(waiting, size)),
      step: () => {}
    })
  }

  /** Fails for no reason but a lost database, which is waited for. */
  private enterBatch(batch: ReadonlyArray<K>): Effect.Effect<void> {
    const { ask, now, send } = this.options
    const rows = batch.map(({ claimed: { id, token }, limit }) => ({ id, token, ...limit }))
    let sentAt = 0
    const statement = Effect.suspend(() => {
      sentAt = now()
      return ask(rows)
    })
    return Effect.matchEffect(send(statement), {
      onFailure: (error) => this.again(batch, error),
      onSuccess: (rows) => Effect.suspend(() => this.settle(batch, rows, sentAt))
    })
  }

  private settle(batch: ReadonlyArray<K>, rows: Answer, sentAt: number): Effect.Effect<unknown> {
    this.options.size.adapt(undefined)
    const found = new Map(
      rows.flatMap((row) => row.state === "later" || row.state === "granted" ? [] : [[row.id, row] as const])
    )
    const isLocked = ({ claimed }: Knock) => found.get(claimed.id)?.state === "locked"
    const locked = batch.filter(isLocked)
    const settled = batch.filter((knock) => !isLocked(knock)).map((knock) => {
      const { claimed, limit: { key, slots } } = knock
      const row = found.get(claimed.id)
      return { knock, claimed, limit: row?.state === "in" ? { key, slots, slot: row.slot! } : undefined }
    })
    this.options.settle(settled, sentAt)
    this.options.told(rows.filter((row) => {
      if (row.state === "granted") return found.get(row.id)?.state !== "in"
      // It has left for the quarantine with its slot.
      return row.state === "later" || row.state === "out" && row.slot !== null
    }))
    return locked.length === 0 ? Effect.void : Effect.forkChild(this.enterAgain(locked))
  }

  private enterAgain(batch: ReadonlyArray<K>): Effect.Effect<void> {
    return Effect.map(Effect.sleep(batch[0]!.pause), () => this.options.line.addAgain(batch))
  }

  /** It was refused though the database is there: because of a lock, or of the key of one row. */
  private again(batch: ReadonlyArray<K>, error: SqlError): Effect.Effect<void> {
    this.options.size.adapt(error)
    // A slot that is held already: where transactions are repeatable reads by default, a function sees what is past.
    if (failureKindOf(error) === "Lock" || codeOf(error) === "23505") {
      return Effect.logDebug(`Slots could not be asked for, and will be again: ${messageOf(error)}`).pipe(
        Effect.andThen(this.enterAgain(batch))
      )
    }
    if (batch.length > 1) {
      const middle = batch.length >> 1
      return Effect.andThen(this.enterBatch(batch.slice(0, middle)), this.enterBatch(batch.slice(middle)))
    }
    const refused = `The slot of the limit "${batch[0]!.limit.key}" could not be asked for: ${messageOf(error)}`
    return Effect.sync(() =>
      this.options.settle(batch.map((knock) => ({ knock, claimed: knock.claimed, refused })), this.options.now())
    )
  }
}
