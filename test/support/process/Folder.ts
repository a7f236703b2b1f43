/** Folders for servers of tests. */
import { Effect, type Scope } from "effect"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { poll } from "../../../src/testing/internal/command.ts"

/** From the beginning each time: a server that is ending may still write, also where all was removed a moment ago. */
const remove = (folder: string) =>
  Effect.sync(() => {
    try {
      fs.rmSync(folder, { recursive: true, force: true })
      return true
    } catch {
      return undefined
    }
  })

/** A folder that is gone after the test, with a mode that no umask changes. */
export const temporaryFolder = (mode: number): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const made = fs.realpathSync(fs.mkdtempSync(path.join(tmpdir(), "embedded-postgres-test-")))
      fs.chmodSync(made, mode)
      return made
    }),
    (made) =>
      Effect.flatMap(
        poll(120_000, remove(made)),
        (removed) => removed ? Effect.void : Effect.die(new Error(`${made} can't be removed`))
      )
  )
