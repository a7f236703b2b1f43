/**
 * The field that docs/secrets.md encrypts is sealed in the row, and open in the handler.
 */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { rmSync } from "node:fs"
import { join } from "node:path"
import * as Migrations from "../../src/Migrations.ts"
import type * as Task from "../../src/Task.ts"
import * as TaskTest from "../../src/testing/TaskTest.ts"
import { testDatabase } from "../support/database/Database.ts"
import * as Snippets from "../support/docs/snippets.ts"

interface Guide {
  readonly ask: Effect.Effect<string, unknown, SqlClient>
  readonly Resets: Task.Any
}

const loadGuide = Effect.acquireRelease(
  Effect.sync(() => Snippets.write(Snippets.inPage("docs/secrets.md"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
).pipe(
  Effect.flatMap((folder) =>
    Effect.promise((): Promise<Guide> => import(/* @vite-ignore */ join(folder, "docs_secrets_md/sealed.ts")))
  )
)

layer(testDatabase)("docs/secrets.md", (it) => {
  it.effect("seals a field", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient
      yield* Migrations.run
      const { ask, Resets } = yield* loadGuide
      yield* ask
      const [row] = yield* sql<{ step: string }>`select step from pg_task`
      assert.include(row?.step, "ada@example.org")
      assert.notInclude(row?.step, "s3cret")
      const [result] = yield* TaskTest.runAll({ tasks: [Resets] }) as Effect.Effect<ReadonlyArray<object>, unknown>
      assert.deepInclude(result, {
        _tag: "Finished",
        state: { _tag: "Reset", mail: "ada@example.org", token: "s3cret" }
      })
    }))
})
