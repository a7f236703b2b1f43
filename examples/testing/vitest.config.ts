/**
 * A project that has installed `effect-pg-task` needs no such file: this one finds the package in `src`.
 */
import { defineConfig } from "vitest/config"
import project from "../../vitest.config.ts"

export default defineConfig({
  resolve: project.resolve ?? {},
  test: { include: ["*.test.ts"], testTimeout: 300_000, hookTimeout: 300_000 }
})
