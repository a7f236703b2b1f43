/**
 * The migrations of the table `pg_task`: they make it, bring it up to date, or take it over from the Rust crate
 * `pg_task` with all its rows.
 *
 * A released migration is never edited; a change of the table is a further migration. So all tables, however old,
 * become the same.
 *
 * You need one of three ways: {@link run} (or {@link layer}) at the start of your program, {@link loader} for your own
 * Effect migrator, {@link script} for any other tool. It is harmless to apply them twice, or from several processes at
 * once.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Migrator from "effect/sql/Migrator"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { migrateTo, whenThere } from "./internal/sql/migrate.ts"
import { applyMigration, script as text } from "./internal/sql/migrations.ts"
import type { TaskTableError } from "./TaskError.ts"

/**
 * The migrations as a record, in the form that `Migrator.fromRecord` takes: to renumber them or to put them among
 * your own.
 *
 * @category migrations
 * @since 0.1.0
 */
export const migrations: Record<
  | "1_table"
  | "2_triggers"
  | "3_foundation"
  | "4_results"
  | "5_signals"
  | "6_history"
  | "7_notify"
  | "8_pending"
  | "9_children"
  | "10_names"
  | "11_left_children"
  | "12_limits"
  | "13_edited_waits"
  | "14_rates"
  | "15_room",
  Effect.Effect<void, SqlError, SqlClient.SqlClient>
> = {
  "1_table": applyMigration(1),
  "2_triggers": applyMigration(2),
  "3_foundation": applyMigration(3),
  "4_results": applyMigration(4),
  "5_signals": applyMigration(5),
  "6_history": applyMigration(6),
  "7_notify": applyMigration(7),
  "8_pending": applyMigration(8),
  "9_children": applyMigration(9),
  "10_names": applyMigration(10),
  "11_left_children": applyMigration(11),
  "12_limits": applyMigration(12),
  "13_edited_waits": applyMigration(13),
  "14_rates": applyMigration(14),
  "15_room": applyMigration(15)
}

/**
 * The migrations for Effect's own migrator. Give it a `table` of its own, so that these numbers don't clash with those
 * of your migrations.
 *
 * @example
 * ```ts
 * import { PgMigrator } from "@effect/sql-pg"
 * import { Migrations } from "effect-pg-task"
 *
 * export const migrate = PgMigrator.run({ loader: Migrations.loader, table: Migrations.table })
 * ```
 * @category migrations
 * @since 0.1.0
 */
export const loader: Migrator.Loader = Migrator.fromRecord(migrations)

/**
 * The table in which {@link run} notes what it has applied: `pg_task_migrations`.
 *
 * @category constants
 * @since 0.1.0
 */
export const table = "pg_task_migrations"

/**
 * Applies what hasn't been applied yet, and returns it.
 *
 * It first checks what is there. If nothing is missing it changes nothing, takes no lock, and needs only the rights of
 * a worker (`select, insert, update, delete` on `pg_task`). Else the role needs `create` on the schema, and must own a
 * `pg_task` that exists already. The connection's `search_path` decides in which schema the table is.
 *
 * What it applies is one transaction. If other sessions hold locks on the table, it waits for each lock for two seconds
 * at most, then lets the statements behind it go first, and tries again; the log says who holds the locks.
 *
 * Fails with a `TaskTableError` that says what to grant if this role may not migrate, with a `MigrationError` whose
 * `cause` is the database's error if a migration can't be applied for another reason, and with a `SqlError` if the
 * database is away.
 *
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Migrations } from "effect-pg-task"
 *
 * export const migrated = Migrations.run.pipe(Effect.tap(Effect.log("the table is ready")))
 * ```
 * @category running
 * @since 0.1.0
 */
export const run: Effect.Effect<
  ReadonlyArray<readonly [id: number, name: string]>,
  Migrator.MigrationError | TaskTableError | SqlError,
  SqlClient.SqlClient
> = migrateTo(Object.keys(migrations).length, Migrator.make({})({ loader, table }))

/**
 * {@link run} as a layer: provide it to your workers, so that they find the table. If the database can't be reached, it
 * waits, as workers do: the log says so once.
 *
 * @example
 * ```ts
 * import { Console, Effect, Layer, Schema } from "effect"
 * import { Migrations, NextStep, Step, Task, Worker } from "effect-pg-task"
 *
 * class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}
 *
 * const sayHello = Step.make(SayHello, {
 *   handler: ({ name }) => Console.log(`Hello, ${name}`).pipe(Effect.as(NextStep.none))
 * })
 *
 * export const WorkerLive = Worker.layer({ tasks: [Task.make("Greeter", [sayHello])] }).pipe(
 *   Layer.provide(Migrations.layer)
 * )
 * ```
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, Migrator.MigrationError | TaskTableError | SqlError, SqlClient.SqlClient> = Layer
  .effectDiscard(whenThere(run))

/**
 * The same as SQL text, for people who run their own migrations. It is one statement: it is applied as a whole or not
 * at all, in a transaction of its own or in that of your tool. It may be run again. It waits for locks as {@link run}
 * does, with a warning for each try.
 *
 * @example
 * ```ts
 * import { Console } from "effect"
 * import { Migrations } from "effect-pg-task"
 *
 * export const print = Console.log(Migrations.script)
 * ```
 * @category migrations
 * @since 0.1.0
 */
export const script: string = text
