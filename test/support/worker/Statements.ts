/** What a worker sends, for tests that count the pages which each statement reads. */
import type { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { findForgotten, hasOpenChild, readChildren, wakeParents } from "../../../src/internal/sql/children.ts"
import * as Claims from "../../../src/internal/sql/claim.ts"
import { findHolder } from "../../../src/internal/sql/keys.ts"
import type { KnownTask } from "../../../src/internal/sql/known.ts"
import * as Leases from "../../../src/internal/sql/lease.ts"
import { look, lookForLeases, type OutlookOptions } from "../../../src/internal/sql/look.ts"
import * as Outcome from "../../../src/internal/sql/outcome.ts"
import { watch } from "../../../src/internal/sql/results.ts"
import { sendSignal } from "../../../src/internal/sql/signals.ts"

const lease = 30_000

/** The lease of the rows that run. */
export const token = "00000000-0000-0000-0000-000000000001"

const claim = (tasks: ReadonlyArray<KnownTask>, limit: number) => ({ tasks, limit, bytes: 1e9, token, lease })
const every = { from: undefined, to: undefined }

export interface Attempt extends Leases.Lease {
  readonly transitions: number
}

export type Send = (sql: SqlClient.SqlClient) => Effect.Effect<unknown, SqlError>

/** Each statement, and the most pages that it may read. */
export const statements = ({ attempts, due }: {
  readonly attempts: ReadonlyArray<Attempt>
  readonly due: number
}): ReadonlyArray<readonly [name: string, most: number, send: Send]> => {
  const names = ["Jobs", "Later", "Others"]
  const both = names.map((name) => ({ name, states: ["Before", "Job"] }))
  const jobs = both.slice(0, 1)
  const later = both.slice(1, 2)
  const ahead = { from: due, to: undefined }
  const suspicions = attempts.map(({ id }) => ({ id, since: due, ripe: true }))
  const fences = attempts.map(({ id, token, transitions: n }) => ({ id, token, n }))
  const step = `{"Jobs":{"Job":{"name":"next"}}}`
  const store = (changes: Outcome.Changes): Send => (sql) =>
    Outcome.storeOutcomes(sql, changes, { lease, isAsync: false })
  const leases = { tasks: names, limit: 1000, notification: undefined }
  const next = (outlook: OutlookOptions): Send => (sql) =>
    look(sql, { outlook, leases: undefined, chores: undefined, notification: undefined })
  const inFront: Send = (sql) => lookForLeases(sql, leases)
  const ids = attempts.map(({ id }) => id)
  const signal = { tag: "Approved", value: "{}", trace: null, dedupe: undefined }
  return [
    ["whether a child is open", 2000, (sql) => hasOpenChild(sql, ids, true)],
    ["results of children", 2000, (sql) => readChildren(sql, ids)],
    ["waking parents", 4000, (sql) => wakeParents(sql, ids)],
    ["forgotten parents", 20, findForgotten],
    ["the row of a key", 20, (sql) => findHolder(sql, "Jobs", "one")],
    ["a signal", 50, (sql) => sendSignal(sql, { id: ids[0]!, task: "Jobs" }, signal, true)],
    ["a signal by key", 50, (sql) => sendSignal(sql, { key: "one", task: "Jobs" }, signal, true)],
    ["a look at those that somebody waits for", 4000, (sql) => watch(sql, ids)],
    ["a claim", 500, (sql) => Claims.claim(sql, claim(jobs, 10), every)],
    ["a claim of three tasks", 500, (sql) => Claims.claim(sql, claim(both, 10), every)],
    ["a claim of many", 20_000, (sql) => Claims.claim(sql, claim(jobs, 1000), every)],
    ["a claim at the frontier", 300, (sql) => Claims.claim(sql, claim(jobs, 10), ahead)],
    ["a claim of three tasks at the frontier", 300, (sql) => Claims.claim(sql, claim(both, 10), ahead)],
    ["a claim of a piece", 300, (sql) => Claims.claim(sql, claim(both, 10), { from: due, to: due + 1000 })],
    ["a claim of the last piece", 500, (sql) => Claims.claim(sql, claim(jobs, 10), { from: undefined, to: due })],
    ["a claim of few bytes", 300, (sql) => Claims.claim(sql, { ...claim(jobs, 10), bytes: 50 }, ahead)],
    [
      "a claim behind locked rows",
      8000,
      (sql) => Claims.claimBehind(sql, claim(jobs, 10), Claims.positionAt(undefined))
    ],
    ["the same of three tasks", 8000, (sql) => Claims.claimBehind(sql, claim(both, 10), Claims.positionAt(due))],
    ["a suspect's claim", 50, (sql) => Claims.claimQuarantined(sql, { tasks: both, token, lease, maxCrashes: 3 })],
    [
      "giving back",
      8000,
      (sql) => Claims.releaseBehind(sql, { token, task: "Jobs", position: Claims.positionAt(due) })
    ],
    ["the next due", 500, next({ tasks: both, start: undefined, horizon: 1e4 })],
    ["the next due, much later", 20, next({ tasks: later, start: due, horizon: 1e9 })],
    ["the next due, too late", 20, next({ tasks: later, start: undefined, horizon: 1e4 })],
    ["a renewal", 4000, (sql) => Leases.renewLeases(sql, attempts, lease)],
    ["a look for expired leases in front", 1500, inFront],
    ["a look for expired leases in blocks", 300, (sql) => Leases.lookInBlocks(sql, names, { from: 0, to: 200 })],
    ["a rescue", 4000, (sql) => Leases.judge(sql, suspicions, { maxCrashes: 3, lease })],
    ["one transition", 50, store({ ends: [], changes: [{ kind: "Continued", step, ...fences[0]! }] })],
    ["a hundred ends", 2000, store({ ends: fences, changes: [] })],
    [
      "a hundred moves",
      4000,
      store({ ends: [], changes: fences.map((f) => ({ kind: "Rescheduled", step, delay: 0, ...f })) })
    ]
  ]
}
