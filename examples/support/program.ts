/**
 * Another example program, as a process of its own.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

/**
 * Starts a program of this folder, as `node --import tsx` does. It prints to the same terminal. When the scope closes,
 * the program is told to stop, and has ended afterwards.
 */
export const startProgram = (file: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const path = fileURLToPath(new URL(`../${file}`, import.meta.url))
      const program = spawn(process.execPath, [...process.execArgv, path], { stdio: "inherit" })
      return { program, ended: once(program, "close") }
    }),
    ({ ended, program }) =>
      Effect.promise(() => {
        program.kill("SIGTERM")
        return ended
      })
  )
