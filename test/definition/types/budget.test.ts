// What the compiler's work on a task grows with: the number of its steps, not its square.
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../..", import.meta.url))

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n)

/** A ring of steps, made into a task or not. */
const program = (count: number, end: string) =>
  [
    `import { Effect, Schema } from "effect"`,
    `import { NextStep, Step, Task } from "effect-pg-task"`,
    ...numbers(count).map((n) => `const S${n} = Schema.TaggedStruct("S${n}", { n: Schema.Number })`),
    ...numbers(count).map((n) => {
      const next = `S${(n + 1) % count}`
      return `const s${n} = Step.make(S${n}, { next: [${next}], `
        + `handler: ({ n }) => Effect.succeed(NextStep.now(${next}.make({ n }))) })`
    }),
    end.replace("STEPS", `[${numbers(count).map((n) => `s${n}`).join(", ")}]`)
  ].join("\n")

const tsconfig = {
  extends: join(root, "tsconfig.json"),
  compilerOptions: {
    declaration: false,
    sourceMap: false,
    rootDir: "/",
    typeRoots: [join(root, "node_modules/@types")],
    paths: { "effect-pg-task": [join(root, "src/index.ts")] }
  },
  include: [],
  files: ["main.ts"]
}

/** What tsc prints about a program. */
const compiled = async (source: string): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), "effect-pg-task-budget-"))
  try {
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
    writeFileSync(join(folder, "package.json"), `{"type":"module"}`)
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(tsconfig))
    writeFileSync(join(folder, "main.ts"), source)
    const arguments_ = ["--extendedDiagnostics", "--pretty", "false", "-p", folder]
    return await new Promise((resolve) => {
      execFile(
        join(root, "node_modules/.bin/tsc"),
        arguments_,
        { maxBuffer: 1e8 },
        (_, stdout, stderr) => resolve(stdout + stderr)
      )
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const instantiations = async (source: string): Promise<number> => {
  const output = await compiled(source)
  assert.notInclude(output, "error TS")
  return Number(/Instantiations:\s+(\d+)/.exec(output)![1])
}

const ofTask = async (count: number): Promise<number> => {
  const task = program(count, `export const task = Task.make("Task", STEPS)`)
  const steps = program(count, "export const steps = STEPS as const\nexport type Unused = Task.Any")
  return await instantiations(task) - await instantiations(steps)
}

describe("the types that Task.make instantiates", () => {
  it("are few for 30 steps", async () => {
    assert.isBelow(await ofTask(30), 10_000)
  }, 120_000)

  it("are few for 200 steps", async () => {
    assert.isBelow(await ofTask(200), 50_000)
  }, 120_000)

  it("can be told for 1,000 steps", async () => {
    await instantiations(program(1000, `export const task = Task.make("Task", STEPS)`))
  }, 240_000)
})
