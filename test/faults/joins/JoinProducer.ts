/** Enqueues the tasks of a plan, and sends its signals: each part once, however often this is begun anew. */
import * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"
import { persist } from "../EffectTables.ts"
import type { Node, Signal, Talk } from "./JoinPlan.ts"
import { noteSent } from "./JoinTables.ts"
import * as TalkTask from "./TalkTask.ts"
import * as TreeTask from "./TreeTask.ts"

/** What is in `join_plan`. */
export type Content = { readonly talk: Talk } | { readonly tree: Node }

/** A ROLLBACK on a connection that is gone is a defect to `withTransaction`. */
const again = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, never, R> =>
  effect.pipe(
    Effect.catchDefect((defect) => Effect.fail(defect)),
    Effect.retry(Schedule.spaced("100 millis")),
    Effect.orDie
  )

/** Enqueues a task together with a note of it, and returns its id. */
const enqueueOnce = <E>(
  sql: SqlClient.SqlClient,
  plan: string,
  enqueue: Effect.Effect<string, E, SqlClient.SqlClient>
) =>
  again(sql.withTransaction(Effect.gen(function*() {
    const look = sql<{ task: string }>`select task::text from join_enqueued where id = ${plan}`
    const [found] = yield* look
    if (found !== undefined) return found.task
    const task = yield* enqueue
    yield* sql`insert into join_enqueued values (${plan}, ${task}::uuid)`
    return task
  })))

/** How Postgres says that a task is gone, or its inbox full. */
const isRefusal = (error: unknown): boolean =>
  hasProperty(error, "_tag") &&
  (error._tag === "TaskNotFoundError" || error._tag === "TaskInboxFullError" ||
    (isSqlError(error) && hasProperty(error.reason.cause, "code") &&
      ["P0002", "54000"].includes(String(error.reason.cause.code))))

/** To whom a signal goes. */
interface Target {
  readonly key: string
  readonly task: string
}

/** In a transaction together with a note of it: so it is sent once, and it is known whether. */
const sendTogether = (sql: SqlClient.SqlClient, { key, task }: Target, { kind, n, size, way }: Signal) => {
  const signal = TalkTask.signalOf(kind, n, size)
  const send = way === "sql"
    ? sql`select pg_task_signal(${task}::uuid, ${kind}, ${JSON.stringify({ n, text: signal.text })}::jsonb)`
    : TalkTask.Talking.signalByKey(key, signal)
  const sent = sql.withTransaction(
    Effect.flatMap(
      noteSent(sql, n, "sent"),
      (rows): Effect.Effect<unknown, unknown, SqlClient.SqlClient> => rows.length === 0 ? Effect.void : send
    )
  )
  return again(Effect.catchIf(sent, isRefusal, () => noteSent(sql, n, "refused")))
}

/** Alone, as often as it takes. A refusal after an answer was lost tells nothing: the task may have ended with it. */
const sendAlone = (sql: SqlClient.SqlClient, { key }: Target, { kind, n, size, way }: Signal, mayBeThere: boolean) => {
  let lost = mayBeThere
  const send = TalkTask.Talking.signalByKey(key, TalkTask.signalOf(kind, n, size), { dedupe: `signal ${n}` })
  const sent = Effect.as(way === "twice" ? Effect.andThen(send, send) : send, "sent" as const)
  const outcome = sent.pipe(
    Effect.catchIf(isRefusal, () => Effect.succeed(lost || way === "twice" ? "unsure" as const : "refused" as const)),
    Effect.tapCause(() => Effect.sync(() => void (lost = true)))
  )
  return Effect.flatMap(again(outcome), (outcome) => persist(noteSent(sql, n, outcome)))
}

const isNoted = (sql: SqlClient.SqlClient, n: number) =>
  Effect.map(persist(sql`select from signal_sent where n = ${n}::int`), (rows) => rows.length > 0)

const send = (sql: SqlClient.SqlClient, target: Target, signal: Signal, late: boolean) =>
  Effect.gen(function*() {
    if (!late) yield* Effect.sleep(signal.after)
    if (yield* isNoted(sql, signal.n)) return
    if (signal.way === "together" || signal.way === "sql") yield* sendTogether(sql, target, signal)
    else yield* sendAlone(sql, target, signal, late)
  })

const produceTalk = (sql: SqlClient.SqlClient, talk: Talk, late: boolean) =>
  Effect.gen(function*() {
    const enqueue = Effect.map(
      TalkTask.Talking.enqueue(TalkTask.beginning(talk), { key: talk.id }),
      ({ id }) => id as string
    )
    const task = yield* enqueueOnce(sql, talk.id, enqueue)
    const target = { key: talk.id, task }
    yield* Effect.forEach(talk.signals, (signal) => send(sql, target, signal, late), { concurrency: 2, discard: true })
  })

const produceTree = (sql: SqlClient.SqlClient, tree: Node) =>
  enqueueOnce(sql, tree.id, Effect.map(TreeTask.Root.enqueue(TreeTask.beginning(tree)), (id) => id as string))

/**
 * Enqueues and sends all that is not there yet, of one producer or of all. `late`: somebody may have begun with it, and
 * was killed.
 */
export const produceJoins = (
  producer: number | undefined,
  options: { readonly rest: number; readonly late: boolean }
) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const plans = yield* persist(sql<{ content: string }>`select content from join_plan
      where producer = ${producer ?? null}::int or ${producer ?? null}::int is null order by id`)
    yield* Effect.forEach(plans, ({ content }) =>
      Effect.gen(function*() {
        const plan = JSON.parse(content) as Content
        yield* "talk" in plan ? produceTalk(sql, plan.talk, options.late) : produceTree(sql, plan.tree)
        yield* Effect.sleep(options.rest)
      }), { concurrency: 3, discard: true })
  })
