/** The statements that a page sends, and how many rows of the table each of them reads. */
import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { Statement } from "effect/sql/Statement"

export interface Sent {
  readonly text: string
  readonly params: ReadonlyArray<unknown>
}

/** A client that notes what is sent. Transactions are those of the client itself. */
export const recording = (sql: SqlClient.SqlClient) => {
  const sent: Array<Sent> = []
  const unsafe = <A extends object>(text: string, params: ReadonlyArray<unknown> = []): Statement<A> => {
    sent.push({ text, params })
    return sql.unsafe<A>(text, params)
  }
  const client = new Proxy(sql, {
    get: (target, name) => name === "unsafe" ? unsafe : Reflect.get(target, name) as unknown
  })
  return {
    client,
    /** What was sent since the last call. */
    take: (): ReadonlyArray<Sent> => sent.splice(0)
  }
}

interface Plan {
  readonly "Node Type": string
  readonly "Relation Name"?: string
  readonly "Actual Rows": number
  readonly "Actual Loops": number
  readonly "Rows Removed by Filter"?: number
  readonly "Rows Removed by Index Recheck"?: number
  readonly Plans?: ReadonlyArray<Plan>
}

const readBy = (plan: Plan): number => {
  const own = plan["Relation Name"] !== "pg_task" || plan["Node Type"].startsWith("Modify")
    ? 0
    : (plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0) + (plan["Rows Removed by Index Recheck"] ?? 0))
      * plan["Actual Loops"]
  return (plan.Plans ?? []).reduce((sum, child) => sum + readBy(child), own)
}

const isSetting = ({ text }: Sent) => text.startsWith("select set_config(")

/** How many rows of `pg_task` a statement reads, with the planner's settings that it is sent with. */
const explain = (sql: SqlClient.SqlClient, { params, text }: Sent, settings: ReadonlyArray<Sent>) =>
  sql.withTransaction(Effect.gen(function*() {
    for (const one of settings) yield* sql.unsafe(one.text, one.params)
    const [found] = yield* sql.unsafe<Record<string, ReadonlyArray<{ readonly Plan: Plan }>>>(
      `explain (analyze, costs off, timing off, format json) ${text}`,
      params
    ).withoutTransform
    return readBy(found!["QUERY PLAN"]![0]!.Plan)
  }))

/** The statements of some that read, and how many rows of `pg_task` each of them reads. */
export const readsOf = Effect.fnUntraced(function*(sql: SqlClient.SqlClient, all: ReadonlyArray<Sent>) {
  const reads: Array<Sent & { readonly rows: number }> = []
  for (const [index, one] of all.entries()) {
    if (isSetting(one) || !/^(select|with)\b/i.test(one.text)) continue
    // Both are noted when they are made. The settings are made last, and sent first.
    const settings = all.slice(index + 1, index + 2).filter(isSetting)
    reads.push({ ...one, rows: yield* explain(sql, one, settings) })
  }
  return reads
})
