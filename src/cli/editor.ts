/** Text that somebody changes in an editor. */
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { UsageError } from "./failure.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "pg-task-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Opens `VISUAL` or `EDITOR` (else `vi`), waits until it is closed, and returns what was saved. */
export const editText = Effect.fnUntraced(function*(text: string, name: string) {
  const editor = process.env["VISUAL"] ?? process.env["EDITOR"] ?? "vi"
  const file = join(yield* folder, name)
  writeFileSync(file, text, { mode: 0o600 })
  // A shell, because an editor may have arguments: `code --wait`.
  const { error, status } = spawnSync(`${editor} '${file}'`, { stdio: "inherit", shell: true })
  if (error !== undefined || status !== 0) {
    return yield* new UsageError({ message: `The editor "${editor}" failed: set EDITOR, or give --set or --fields` })
  }
  return readFileSync(file, "utf8")
}, Effect.scoped)
