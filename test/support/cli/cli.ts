/** The command `pg-task`: as a process of its own, or, far faster, in this one. */
import { Effect, Exit, Layer, Option, Queue, Terminal } from "effect"
import { TerminalCapabilities } from "effect/cli"
import * as Console from "effect/Console"
import { SqlClient } from "effect/sql"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { inject } from "vitest"
import { run } from "../../../src/cli/Cli.ts"
import { reportCause } from "../../../src/cli/exit.ts"
import * as Node from "@effect/platform-node/NodeServices"
import { within } from "../worker/Wait.ts"

/** What a command printed, and its exit code. */
export interface Ended {
  readonly out: string
  readonly err: string
  readonly code: number | null
}

/** A module that exports a task. */
export const module = fileURLToPath(new URL("Greeter.ts", import.meta.url))

/** A module that only declares this task. */
export const declaring = fileURLToPath(new URL("declared.ts", import.meta.url))

const bin = fileURLToPath(new URL("../../../src/cli/bin.ts", import.meta.url))

/** Starting one takes a second or two; every limit of the command itself that tests wait for is below ten. */
const limit = 240_000

/** Runs it as a process, with only `env` and what Node needs in its environment. Dies when it doesn't end. */
export const runProcess = (
  args: ReadonlyArray<string>,
  { cwd, env = {}, file = bin }: {
    readonly env?: Readonly<Record<string, string>>
    readonly cwd?: string
    readonly file?: string
  } = {}
): Effect.Effect<Ended> =>
  Effect.callback<Ended>((resume) => {
    const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), file, ...args], {
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...env },
      cwd,
      stdio: ["ignore", "pipe", "pipe"]
    })
    const chunks = { out: "", err: "" }
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => chunks.out += chunk)
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => chunks.err += chunk)
    child.once("close", (code) => resume(Effect.succeed({ ...chunks, code })))
    return Effect.sync(() => child.kill("SIGKILL"))
  }).pipe((ended) => within(ended, `the end of pg-task ${args.join(" ")}`, limit))

/** How a command sees the terminal. */
export interface Face {
  /** What somebody types, key by key: then there is a terminal. */
  readonly keys?: ReadonlyArray<string>
  /** As `COLUMNS` says. Default: no limit. */
  readonly columns?: number
}

const terminalWith = (keys: ReadonlyArray<string>) =>
  Terminal.make({
    columns: Effect.succeed(80),
    rows: Effect.succeed(24),
    size: Effect.die("not used"),
    readLine: Effect.die("not used"),
    display: () => Effect.void,
    readInput: Effect.gen(function*() {
      const queue = yield* Queue.make<Terminal.UserInput, never>()
      const key = (name: string) => ({ name, ctrl: false, meta: false, shift: false })
      for (const name of keys) Queue.offerUnsafe(queue, { input: Option.some(name), key: key(name) })
      return queue
    })
  })

/** Runs the command line in this process. */
export const runHere = (
  args: ReadonlyArray<string>,
  { columns, keys }: Face = {}
): Effect.Effect<Ended> =>
  Effect.suspend(() => {
    const printed = { out: "", err: "" }
    const console = Object.assign(Object.create(globalThis.console), {
      log: (text: string) => printed.out += `${text}\n`,
      error: (text: string) => printed.err += `${text}\n`
    }) as Console.Console
    const capabilities = { canColor: false, canAnimate: false, canPrompt: keys !== undefined }
    const face = Layer.merge(
      Layer.succeed(TerminalCapabilities.TerminalCapabilities, capabilities),
      keys === undefined ? Layer.empty : Layer.succeed(Terminal.Terminal, terminalWith(keys))
    )
    delete process.env["npm_command"]
    process.env["COLUMNS"] = columns === undefined ? "" : String(columns)
    return Effect.map(
      Effect.exit(
        run("1.2.3")(args).pipe(
          Effect.provide(Layer.provideMerge(face, Node.layer)),
          Effect.provideService(Console.Console, console)
        )
      ),
      (exit) => {
        const { code, message } = Exit.isSuccess(exit) ? { code: 0, message: undefined } : reportCause(exit.cause)
        return { ...printed, err: printed.err + (message ?? ""), code }
      }
    )
  })

/** Runs it in this process, on the database of the test's client. */
export const pgTask = (args: ReadonlyArray<string>, face?: Face): Effect.Effect<Ended, never, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const [found] = yield* Effect.orDie(sql<{ name: string }>`select current_database() as name`)
    const url = new URL(inject("databaseUrl"))
    url.pathname = found!.name
    // No limit: a busy machine, or a paced clock, would make the driver's 5 s too short.
    url.searchParams.set("connect_timeout", "0")
    return yield* runHere([...args, "--url", url.href], face)
  })

export const lines = ({ out }: Ended): ReadonlyArray<string> => out.trimEnd().split("\n")
