/**
 * The tests in docs/testing.md are tests of this file.
 */
import { afterAll } from "@effect/vitest"
import { rmSync } from "node:fs"
import { join } from "node:path"
import * as Snippets from "../support/docs/snippets.ts"

const page = "docs/testing.md"
const snippets = Snippets.inPage(page)
const folder = Snippets.write(snippets)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

for (const { file } of snippets) {
  if (file.endsWith(".test.ts")) await import(/* @vite-ignore */ join(folder, file))
}
