/** Text that somebody changes in an editor. */
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { UsageError } from "../exit.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "pg-task-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** While the editor is open, Ctrl-C is for the editor, but the terminal sends it to this process, too. */
const withoutInterrupts = Effect.acquireRelease(
  Effect.sync(() => {
    const listeners = process.listeners("SIGINT")
    const ignore = () => {}
    process.removeAllListeners("SIGINT").on("SIGINT", ignore)
    return { ignore, listeners }
  }),
  ({ ignore, listeners }) =>
    Effect.sync(() => {
      process.off("SIGINT", ignore)
      for (const listener of listeners) process.on("SIGINT", listener)
    })
)

/** Waits until it ends. If it can't be started, its status is an error, too. */
const runToEnd = (command: string): Effect.Effect<number | null> =>
  Effect.callback((resume) => {
    // A shell, because an editor may have arguments: `code --wait`. `exec`, so that a signal reaches the editor itself.
    const child = spawn(process.platform === "win32" ? command : `exec ${command}`, { stdio: "inherit", shell: true })
    child.once("error", () => resume(Effect.succeed(null))).once("exit", (status) => resume(Effect.succeed(status)))
    return Effect.sync(() => child.kill())
  })

/** Opens `VISUAL` or `EDITOR` (else `vi`), waits until it is closed, and returns what was saved. */
export const editText = Effect.fnUntraced(function*(text: string, name: string) {
  const editor = process.env["VISUAL"] ?? process.env["EDITOR"] ?? "vi"
  const file = join(yield* folder, name)
  writeFileSync(file, text, { mode: 0o600 })
  yield* withoutInterrupts
  const status = yield* runToEnd(`${editor} '${file}'`)
  if (status !== 0) {
    return yield* new UsageError({ message: `The editor "${editor}" failed: set EDITOR, or give --set or --fields` })
  }
  return readFileSync(file, "utf8")
}, Effect.scoped)
