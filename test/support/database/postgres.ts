/**
 * The Postgres of a test run: `DATABASE_URL` if it is set, else an embedded one that lives as long as the run.
 */
import { Effect, Exit, Scope } from "effect"
import type { TestProject } from "vitest/node"
import * as EmbeddedPostgres from "../../../src/testing/EmbeddedPostgres.ts"

declare module "vitest" {
  export interface ProvidedContext {
    /** Where the run's server is. Tests make databases of their own there: see `Database.ts`. */
    readonly databaseUrl: string
  }
}

export default async (project: TestProject): Promise<() => Promise<void>> => {
  const scope = Scope.makeUnsafe()
  const close = () => Effect.runPromise(Scope.close(scope, Exit.void))
  const given = process.env["DATABASE_URL"]
  const url = given === undefined || given === "" ? (await startServer(scope)).url : given
  project.provide("databaseUrl", url)
  return close
}

const startServer = (scope: Scope.Scope) => Effect.runPromise(EmbeddedPostgres.start().pipe(Scope.provide(scope)))
