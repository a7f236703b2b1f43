#!/usr/bin/env node
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { readFileSync } from "node:fs"
import { run } from "./Cli.ts"
import { exitCode, type Failure, reportCause } from "./exit.ts"
import { stringify } from "./output/json.ts"

const args = process.argv.slice(2)

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly version: string
}

/** Logs go to stderr: they are no output. */
const logger = Logger.layer([Logger.withConsoleError(Logger.formatSimple)])

const program = run(version)(args).pipe(Effect.provide(Layer.merge(NodeServices.layer, logger)))

/** As the parser reads it: `--json`, `--json=true`, `--json false`. */
const wantsJson = args.some((arg, n) =>
  arg === "--json" ? !/^(false|no|off|n|0)$/.test(args[n + 1] ?? "") : /^--json=(true|yes|on|y|1)$/.test(arg)
)

const end = (exit: Exit.Exit<void, Failure>): void => {
  const { code, message } = Exit.isSuccess(exit) ? { code: exitCode.ok, message: undefined } : reportCause(exit.cause)
  const text = wantsJson ? stringify({ error: { message } }) : `pg-task: ${message}`
  if (message !== undefined) process.stderr.write(`${text}\n`)
  // `write` waits until all output was written. `exit` is needed because modules of the user may keep the process
  // alive.
  process.stdout.write("", () => process.exit(code))
}

// The reader of a pipe may close it early (`pg-task list | head`).
process.stdout.on("error", () => process.exit(exitCode.ok))

const fiber = Effect.runFork(program)
fiber.addObserver(end)

/** In milliseconds. What has begun must end properly, but a database that doesn't answer must not delay the exit. */
const exitTimeout = 1000

const interrupt = (): void => {
  fiber.interruptUnsafe()
  setTimeout(() => process.exit(exitCode.interrupted), exitTimeout)
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, interrupt)
