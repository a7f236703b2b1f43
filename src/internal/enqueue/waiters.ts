/**
 * Those who wait in this process for tasks to end. All of them share one connection that listens, and one statement
 * that looks at their rows: at once when they come, when a notification names their task, and from time to time,
 * because nobody sends a notification for a row that is deleted by hand, or whose worker crashed after its commit.
 */
import type * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { failureKindOf, findInCause, isMisconfiguration } from "../sql/errors.ts"
import { watch, type WatchedRow } from "../sql/results.ts"
import { EndListener } from "./endListener.ts"

/** Between two looks at all rows, in milliseconds: while notifications come through, and while they don't. */
const lookInterval = 5000
const deafLookInterval = 1000

/** Before a row is looked at again that another session had locked, in milliseconds. Doubled each time. */
const lockedPause = 20

/** After the last one has gone, in milliseconds: the next one often comes soon, and needs the connection. */
const linger = 200

/** More in one statement would hold its locks for longer. */
const maxLook = 1000

/** How long a lost database is waited for, in milliseconds. */
const maxLoss = 60_000

/** What a look has found: undefined if there is no such row. */
export type Found = WatchedRow | undefined

interface Waiter {
  /** Whether this is what it waits for. */
  readonly wants: (found: Found) => boolean
  readonly found: Deferred.Deferred<Found, SqlError>
}

const now = () => performance.now()

export class Waiters {
  private readonly sql: SqlClient
  private readonly waiting = new Map<string, Set<Waiter>>()
  /** Rows to look at as soon as possible. */
  private fresh = new Set<string>()
  /** Rows that were locked: how often in a row, and when to look at them again. */
  private readonly locked = new Map<string, { readonly times: number; readonly at: number }>()
  /** Tasks that have ended while callers store new ones, and don't know their ids yet. */
  private readonly early = new Set<string>()
  private storing = 0
  private readonly changed = Latch.makeUnsafe(false)
  private readonly listener: EndListener
  private running = false
  private lookedAt = now()
  private lostAt: number | undefined

  constructor(sql: SqlClient) {
    this.sql = sql
    this.listener = new EndListener({
      onEnded: (ids) => {
        if (this.storing > 0) { for (const id of ids) this.early.add(id) }
        this.lookAt(ids)
      },
      onConnected: () => this.lookAt(this.waiting.keys())
    })
  }

  /** Waits until a look finds what is wanted. */
  wait(id: string, wants: Waiter["wants"]): Effect.Effect<Found, SqlError> {
    return Effect.suspend(() => {
      const waiter = this.join(id, wants)
      this.lookAt([id])
      return this.await(id, waiter)
    })
  }

  /**
   * Stores a task that is marked as watched, and waits for it. While notifications come through, that needs no look
   * before the one that names it. (An object: the row of a key, which may have been there before.)
   */
  waitForNew<E, R>(
    store: Effect.Effect<string | { readonly id: string }, E, R>,
    wants: Waiter["wants"]
  ): Effect.Effect<{ readonly id: string; readonly found: Found }, E | SqlError, R> {
    return Effect.suspend(() => {
      const { connections, hears } = this.listener
      this.storing++
      const joined = Effect.map(store, (stored) => {
        const isNew = typeof stored === "string"
        const id = isNew ? stored : stored.id
        const waiter = this.join(id, wants)
        const wasHeard = hears && this.listener.connections === connections && !this.early.has(id)
        if (!isNew || !wasHeard) this.lookAt([id])
        return { id, waiter }
      })
      const stored = Effect.ensuring(
        joined,
        Effect.sync(() => {
          if (--this.storing === 0) this.early.clear()
        })
      )
      return Effect.flatMap(
        Effect.andThen(this.start, stored),
        ({ id, waiter }) => Effect.map(this.await(id, waiter), (found) => ({ id, found }))
      )
    })
  }

  private join(id: string, wants: Waiter["wants"]): Waiter {
    const waiter: Waiter = { wants, found: Deferred.makeUnsafe() }
    const others = this.waiting.get(id)
    if (others === undefined) this.waiting.set(id, new Set([waiter]))
    else others.add(waiter)
    return waiter
  }

  private await(id: string, waiter: Waiter): Effect.Effect<Found, SqlError> {
    const found = Effect.andThen(this.start, Deferred.await(waiter.found))
    return Effect.ensuring(found, Effect.sync(() => this.leave(id, waiter)))
  }

  private get isUsed(): boolean {
    return this.waiting.size > 0 || this.storing > 0
  }

  /** Called before a task is stored, so that its end is heard of, and again by all who wait: it may have ended since. */
  private get start(): Effect.Effect<void> {
    return Effect.contextWith((context: Context.Context<never>) =>
      Effect.sync(() => {
        if (this.running) return
        this.running = true
        Effect.runForkWith(context)(Effect.withTracerEnabled(this.run, false))
      })
    )
  }

  private leave(id: string, waiter: Waiter): void {
    const others = this.waiting.get(id)
    others?.delete(waiter)
    if (others?.size === 0) {
      this.waiting.delete(id)
      this.fresh.delete(id)
      this.locked.delete(id)
    }
  }

  private lookAt(ids: Iterable<string>): void {
    let any = false
    for (const id of ids) {
      if (!this.waiting.has(id)) continue
      this.fresh.add(id)
      any = true
    }
    if (any) this.changed.openUnsafe()
  }

  /** Works until nobody waits any more. */
  private get run(): Effect.Effect<void> {
    const looking = Effect.whileLoop({
      while: () => true,
      body: () => Effect.andThen(this.pause, this.look),
      step: () => {}
    })
    return Effect.raceFirst(this.unused, Effect.raceFirst(looking, this.listener.run(lookInterval))).pipe(
      Effect.onExit((exit) => this.ended(exit))
    )
  }

  private ended(exit: Exit.Exit<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.running = false
      // Somebody has come at the last moment.
      if (Exit.isSuccess(exit)) return this.isUsed ? this.start : Effect.void
      // The client was closed, or this library has a bug.
      this.tell(this.waiting.keys(), Exit.failCause(exit.cause))
      return Effect.void
    })
  }

  /** Ends the wait of all who wait for these tasks. */
  private tell(ids: Iterable<string>, failure: Exit.Exit<never, SqlError>): void {
    for (const id of ids) {
      for (const { found } of this.waiting.get(id) ?? []) Deferred.doneUnsafe(found, failure)
    }
  }

  /** Ends when nobody has waited for a while. */
  private get unused(): Effect.Effect<void> {
    let idleSince: number | undefined
    return Effect.whileLoop({
      while: () => {
        if (this.isUsed) idleSince = undefined
        else idleSince ??= now()
        return idleSince === undefined || now() - idleSince < linger
      },
      body: () => Effect.sleep(linger / 2),
      step: () => {}
    })
  }

  /** Until there are rows to look at. */
  private get pause(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const nextLook = this.lookedAt + (this.listener.hears ? lookInterval : deafLookInterval)
      let next = nextLook
      for (const { at } of this.locked.values()) next = Math.min(next, at)
      return Effect.timeoutOption(this.changed.await, Math.max(next - now(), 0)).pipe(
        // Others that come in the same turn share the look.
        Effect.andThen(Effect.yieldNow),
        Effect.andThen(this.changed.close),
        Effect.map(() => this.lookAtDue(nextLook))
      )
    })
  }

  /** It is time to look at all rows, or at some that were locked. */
  private lookAtDue(nextLook: number): void {
    const time = now()
    if (time >= nextLook) {
      this.lookedAt = time
      this.lookAt(this.waiting.keys())
    } else {
      for (const [id, { at }] of this.locked) if (time >= at) this.lookAt([id])
    }
  }

  private get look(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const ids = [...this.fresh].slice(0, maxLook)
      if (ids.length === 0) return Effect.void
      for (const id of ids) this.fresh.delete(id)
      if (this.fresh.size > 0) this.changed.openUnsafe()
      return Effect.matchCauseEffect(watch(this.sql, ids), {
        onFailure: (cause) => this.failed(ids, cause),
        onSuccess: (rows) => Effect.sync(() => this.settle(ids, rows))
      })
    })
  }

  private settle(ids: ReadonlyArray<string>, rows: ReadonlyArray<WatchedRow>): void {
    this.lostAt = undefined
    const byId = new Map<string, WatchedRow>(rows.map((row) => [row.id, row]))
    for (const id of ids) {
      const row = byId.get(id)
      for (const waiter of this.waiting.get(id) ?? []) {
        if (waiter.wants(row)) Deferred.doneUnsafe(waiter.found, Exit.succeed(row))
      }
      // It was locked, perhaps by the transaction that ends it, which may not have seen the mark.
      if (row !== undefined && !row.ended && !row.watched && this.waiting.has(id)) this.lookAgain(id, lockedPause)
      else this.locked.delete(id)
    }
  }

  private lookAgain(id: string, pause: number): void {
    const times = this.locked.get(id)?.times ?? 0
    this.locked.set(id, { times: times + 1, at: now() + Math.min(pause * 2 ** times, deafLookInterval) })
  }

  /** A lost database is waited for, but not for ever. */
  private failed(ids: ReadonlyArray<string>, cause: Cause.Cause<SqlError>): Effect.Effect<void> {
    const error = findInCause(cause)
    if (error === undefined) return Effect.failCause(cause as Cause.Cause<never>)
    this.lostAt ??= now()
    const isOver = isMisconfiguration(error) || failureKindOf(error) === "Data" || now() - this.lostAt > maxLoss
    if (isOver) this.tell(ids, Exit.fail(error))
    else for (const id of ids) this.lookAgain(id, deafLookInterval)
    return Effect.void
  }
}

const all = new WeakMap<SqlClient, Waiters>()

/** Those who wait on a client. */
export const waitersOf = (sql: SqlClient): Waiters => {
  const found = all.get(sql)
  if (found !== undefined) return found
  const waiters = new Waiters(sql)
  all.set(sql, waiters)
  return waiters
}
