/**
 * Checks the package as its users get it: packs it, has publint and attw look at it, installs it into an empty project
 * (beside the peers of this one, so that no network is needed), and uses it there from JavaScript and TypeScript.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const manifest = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
const project = fs.mkdtempSync(path.join(os.tmpdir(), "effect-pg-task-package-"))
const installed = path.join(project, "node_modules", manifest.name)

/** Runs a program of this project, or one of the system. */
const run = (name, args, cwd = project) => {
  const own = path.join(root, "node_modules", ".bin", name)
  execFileSync(fs.existsSync(own) ? own : name, args, { cwd, stdio: "inherit" })
}

const pack = () => {
  run("npm", ["pack", "--silent", "--pack-destination", project], root)
  return path.join(project, fs.readdirSync(project).find((file) => file.endsWith(".tgz")))
}

const install = (tarball) => {
  fs.mkdirSync(installed, { recursive: true })
  run("tar", ["-xzf", tarball, "-C", installed, "--strip-components", "1"])
  for (const peer of [...Object.keys(manifest.peerDependencies), "@types/node"]) {
    const at = path.join(project, "node_modules", peer)
    fs.mkdirSync(path.dirname(at), { recursive: true })
    fs.symlinkSync(path.join(root, "node_modules", peer), at)
  }
}

/** What users may import: the root, and each module by its path. */
const entries = () => {
  const modules = (folder) =>
    fs.readdirSync(path.join(installed, "dist", folder))
      .filter((file) => file.endsWith(".d.ts") && file !== "index.d.ts")
      .map((file) => path.posix.join(manifest.name, folder, file.slice(0, -".d.ts".length)))
  const testing = fs.existsSync(path.join(installed, "dist/testing/index.js")) ? [`${manifest.name}/testing`] : []
  return [manifest.name, ...testing, ...modules("."), ...modules("testing")]
}

const closed = ["index", "internal/sql", "testing/internal/keeper", "cli/bin", "dashboard/server"]

const javascript = (all) => `
import assert from "node:assert/strict"
${all.map((entry, i) => `import * as module${i} from ${JSON.stringify(entry)}`).join("\n")}
${
  all.map((entry, i) => `assert.notDeepEqual(Object.keys(module${i}), [], ${JSON.stringify(`${entry} is empty`)})`)
    .join("\n")
}
for (const path of ${JSON.stringify(closed)}) {
  await assert.rejects(import("${manifest.name}/" + path), { code: "ERR_PACKAGE_PATH_NOT_EXPORTED" })
}
import { Effect, Schema } from "effect"
const { NextStep, Step, Task } = module0
const Hello = Schema.TaggedStruct("Hello", { name: Schema.String })
const hello = Step.make(Hello, { handler: () => Effect.succeed(NextStep.none) })
assert.equal(Task.make("Greeter", [hello]).name, "Greeter")
`

/** Node loads a package of modules with `require`, too. */
const commonjs = (all) => `
const assert = require("node:assert/strict")
for (const entry of ${JSON.stringify(all)}) {
  assert.notDeepEqual(Object.keys(require(entry)), [], entry + " is empty")
}
for (const path of ${JSON.stringify(closed)}) {
  assert.throws(() => require("${manifest.name}/" + path), { code: "ERR_PACKAGE_PATH_NOT_EXPORTED" })
}
const { Effect, Schema } = require("effect")
const { NextStep, Step, Task } = require("${manifest.name}")
const Hello = Schema.TaggedStruct("Hello", { name: Schema.String })
const hello = Step.make(Hello, { handler: () => Effect.succeed(NextStep.none) })
assert.equal(Task.make("Greeter", [hello]).name, "Greeter")
`

const typescript = (all) => `
${all.map((entry, i) => `import * as module${i} from ${JSON.stringify(entry)}`).join("\n")}
import { NextStep, Step, Task } from "${manifest.name}"
import type { Effect as Type } from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { Effect, Schema } from "effect"

class Hello extends Schema.TaggedClass<Hello>()("Hello", { name: Schema.String }) {}
const hello = Step.make(Hello, { handler: ({ name }) => Effect.as(Effect.log(name), NextStep.none) })
const Greeter = Task.make("Greeter", [hello])
export const enqueued: Type<string, unknown, SqlClient> = Greeter.enqueue(new Hello({ name: "World" }))
// @ts-expect-error: there is no such state
Greeter.enqueue({ _tag: "Bye" })
export const modules = [${all.map((_, i) => `module${i}`).join(", ")}]
`

/** What a library of tasks may export: the types of all this must have names that its own users can import. */
const library = `
import { Effect, Schema } from "effect"
import { NextStep, Step, Task, Worker } from "${manifest.name}"

export class Hello extends Schema.TaggedClass<Hello>()("Hello", { name: Schema.String }) {}
export const hello = Step.make(Hello, { handler: ({ name }) => Effect.as(Effect.log(name), NextStep.none) })
export const Greeter = Task.make("Greeter", [hello])
export const { enqueue, enqueueAll, delay, schedule } = Greeter
export const GreeterLive = Worker.layer({ tasks: [Greeter] })
export const health = Effect.flatMap(Worker.Worker, (worker) => worker.health)
export const makeTask = Task.make
export const makeStep = Step.make
export const makeWait = Step.wait
export const makeFinal = Step.final
export const makeFormer = Step.former
export const declareTask = Task.declare
export const makeChild = Task.child
export const { await: awaitGreeter, child, execute, peek, signal, signalByKey, signalOrEnqueue } = Greeter
export const makeNext = NextStep.now
export const runWorker = Worker.run
export const stateOf = (step: Step.Any) => step.state
export const nextsOf = (task: Task.Any) => task.steps.map((step) => step.next)
export const movedTo = (move: NextStep.Move) => "state" in move ? move.state : undefined
export const logging = <S extends Parameters<typeof Step.make>[0]>(schema: S) =>
  Step.make(schema, { handler: () => Effect.succeed(NextStep.none) })
`

/** It doesn't import the package itself. */
const libraryUser = `
import { Greeter, hello, movedTo, nextsOf, stateOf } from "./library.js"
export const state = stateOf(hello)
export const nexts = nextsOf(Greeter)
export const moved = movedTo({ _tag: "None" })
`

const tsconfig = {
  compilerOptions: {
    target: "ES2022",
    lib: ["ES2023", "DOM"],
    module: "NodeNext",
    strict: true,
    exactOptionalPropertyTypes: true,
    types: ["node"],
    noEmit: true
  },
  files: ["main.ts", "main.cts"]
}

const declaring = {
  extends: "./tsconfig.json",
  compilerOptions: { noEmit: false, declaration: true, emitDeclarationOnly: true, outDir: "declared" },
  files: ["library.ts", "libraryUser.ts"]
}

/** Users' declarations must not lead to modules that only this package may import. */
const checkDeclarations = () => {
  const declared = path.join(project, "declared")
  for (const file of fs.readdirSync(declared)) {
    const text = fs.readFileSync(path.join(declared, file), "utf8")
    const closedNames = new Set([...text.matchAll(/"[^"]*\/internal\/[^"]*"\)?[.\w]*/g)].map(([name]) => name))
    if (closedNames.size > 0) throw new Error(`A user's ${file} names closed modules: ${[...closedNames].join(", ")}`)
  }
}

/** Stack traces and "go to definition" lead to the sources, so these have to be there too. */
const checkSourceMaps = () => {
  for (const file of fs.readdirSync(path.join(installed, "dist"), { recursive: true })) {
    if (!file.endsWith(".map")) continue
    const at = path.join(installed, "dist", file)
    for (const source of JSON.parse(fs.readFileSync(at, "utf8")).sources) {
      if (!fs.existsSync(path.join(path.dirname(at), source))) throw new Error(`${file} names ${source}, not packed`)
    }
  }
}

/** The README and the guides lead to files that are there, also where the package is read. */
const checkLinks = () => {
  const pages = fs.readdirSync(installed, { recursive: true }).filter((file) => file.endsWith(".md"))
  for (const page of pages) {
    const text = fs.readFileSync(path.join(installed, page), "utf8").replaceAll(/^```[^]*?^```/gm, "")
    for (const [, link] of text.matchAll(/\]\((?![a-z]+:)([^)#]+)[^)]*\)/g)) {
      if (!fs.existsSync(path.join(installed, path.dirname(page), decodeURIComponent(link)))) {
        throw new Error(`${page} leads to ${link}, not packed`)
      }
    }
  }
}

/** Whoever types `npx` and the package's name gets this package's command, never another one. */
const checkPrograms = () => {
  if (manifest.bin[manifest.name] === undefined) throw new Error(`There is no program ${manifest.name}`)
  for (const program of Object.values(manifest.bin)) {
    run(process.execPath, [path.join("node_modules", manifest.name, program), "--version"])
  }
}

const use = () => {
  const all = entries()
  const write = (name, content) => fs.writeFileSync(path.join(project, name), content)
  write("package.json", JSON.stringify({ type: "module", private: true }))
  write("tsconfig.json", JSON.stringify(tsconfig))
  write("main.mjs", javascript(all))
  write("main.cjs", commonjs(all))
  write("main.ts", typescript(all))
  write("main.cts", typescript(all))
  run(process.execPath, ["main.mjs"])
  run(process.execPath, ["--disable-warning=ExperimentalWarning", "main.cjs"])
  write("tsconfig.library.json", JSON.stringify(declaring))
  write("library.ts", library)
  write("libraryUser.ts", libraryUser)
  run("tsc", ["-p", "."])
  run("tsc", ["-p", "tsconfig.library.json"])
  checkDeclarations()
  console.log(`Imported from the package: ${all.join(", ")}`)
}

try {
  const tarball = pack()
  run("publint", ["run", tarball, "--strict"], root)
  run("attw", [tarball, "--profile", "esm-only", "--quiet"], root)
  install(tarball)
  checkSourceMaps()
  checkLinks()
  checkPrograms()
  use()
} finally {
  fs.rmSync(project, { recursive: true, force: true })
}
