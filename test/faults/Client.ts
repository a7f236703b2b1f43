/** Where a server is, and the suite's own way to it. */
import { PgClient } from "@effect/sql-pg"
import { Redacted } from "effect"

/** The same server for another user, and perhaps by another port. */
export const urlFor = (url: string, user: string, port?: number): string => {
  const it = new URL(url)
  it.username = user
  if (port !== undefined) it.port = String(port)
  return it.href
}

/** It writes whatever the server's settings say. */
export const suiteClient = (url: string) =>
  PgClient.layer({
    url: Redacted.make(url),
    maxConnections: 20,
    applicationName: "suite",
    startupParameters: { default_transaction_read_only: "off" }
  })
