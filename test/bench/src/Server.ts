import { Effect, Exit, Scope } from "effect"
import * as EmbeddedPostgres from "../../../src/testing/EmbeddedPostgres.ts"
import { withClient } from "./Commands.ts"

/** A database of its own for one measurement. */
export interface Database {
  readonly url: string
  /** Clears up behind a fill, so that what is measured next does not pay for it: statistics, hint bits, a checkpoint. */
  readonly tidy: () => Promise<void>
  /** A copy, file by file: what took long to fill is filled once. */
  readonly copy: () => Promise<Database>
  readonly drop: () => Promise<void>
}

export interface Server {
  /** The version and the settings that matter, for the report. */
  readonly description: string
  readonly adminUrl: string
  /** `commitWait`: by how many milliseconds each of its commits takes longer. */
  readonly fresh: (commitWait?: number) => Promise<Database>
  readonly close: () => Promise<unknown>
}

/** A hundred workers with a pool each need more connections than the default. */
const settings = { max_connections: "500" }

/**
 * `DATABASE_URL`, whose role must be allowed to create databases, or else the embedded Postgres, with its defaults for all
 * but the number of connections.
 */
export const startServer = async (): Promise<Server> => {
  const given = process.env["DATABASE_URL"]
  if (given !== undefined) return makeServer(given, async () => {})
  const scope = Scope.makeUnsafe()
  const { url } = await Effect.runPromise(
    Effect.provideService(EmbeddedPostgres.start({ settings }), Scope.Scope, scope)
  )
  return makeServer(url, () => Effect.runPromise(Scope.close(scope, Exit.void)))
}

const makeServer = async (adminUrl: string, close: () => Promise<unknown>): Promise<Server> => {
  const prefix = `bench_${process.pid}_`
  let count = 0

  const make = async (clauses: string): Promise<Database> => {
    const name = prefix + String(++count)
    await execute(adminUrl, `create database ${name} ${clauses}`)
    const url = withDatabase(adminUrl, name)
    return {
      url,
      tidy: () => execute(url, "vacuum (analyze)", "checkpoint"),
      copy: () => make(`template ${name} strategy file_copy`),
      drop: () => execute(adminUrl, `drop database ${name} with (force)`)
    }
  }

  const fresh = async (commitWait = 0) => {
    const database = await make("")
    if (commitWait > 0) await slowDown(database.url, commitWait)
    return database
  }

  return { adminUrl, close, description: await describe(adminUrl), fresh }
}

/**
 * Each flush of the log waits for so long before it, in the sessions of this database: `commit_delay` is what Postgres
 * itself offers for that, and with `commit_siblings = 0` it waits also if no other transaction is open. Those who commit
 * meanwhile share the flush. Only a superuser may set it.
 */
const slowDown = async (url: string, commitWait: number): Promise<void> => {
  const name = new URL(url).pathname.slice(1)
  await execute(
    url,
    `alter database ${name} set commit_siblings = 0`,
    `alter database ${name} set commit_delay = ${commitWait * 1000}`
  )
}

const execute = (url: string, ...statements: ReadonlyArray<string>): Promise<void> =>
  withClient(url, async (client) => {
    for (const statement of statements) await client.query(statement)
  })

const describe = (url: string): Promise<string> =>
  withClient(url, async (client) => {
    const { rows } = await client.query<{ name: string; value: string }>(`
      select name, current_setting(name) as value from pg_settings
      where name in ('server_version', 'fsync', 'synchronous_commit', 'shared_buffers', 'max_wal_size')`)
    return rows.map(({ name, value }) => `${name} ${value}`).join(", ")
  })

const withDatabase = (url: string, name: string): string => {
  const changed = new URL(url)
  changed.pathname = `/${name}`
  return changed.href
}
