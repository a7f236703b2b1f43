/**
 * TypeScript files run as processes of their own, for tests that kill, stop or outlive a process.
 *
 * Such a file should import modules by path (`effect/Effect`): loading the whole of `effect` takes tsx a second or two.
 */
import { Effect, type Scope } from "effect"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** A running script. */
export interface Script {
  readonly pid: number
  /** The first line of its output, past or to come, that has this in it. Dies when none comes: at its end, or in three minutes. */
  readonly line: (part: string | RegExp) => Effect.Effect<string>
  /** All lines so far, of stdout and stderr. */
  readonly lines: () => ReadonlyArray<string>
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Waits for the end: the exit code, or the signal that ended it. */
  readonly exit: Effect.Effect<number | NodeJS.Signals>
}

/** What to run, and how. */
export interface Options {
  readonly args?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  /** Default: the project's folder. */
  readonly cwd?: string
  /** Who runs it. Only root may choose. Default: the user of this process. */
  readonly user?: { readonly uid: number; readonly gid: number }
}

const project = fileURLToPath(new URL("../../..", import.meta.url))

/** If a line doesn't come within this many milliseconds, it never will. */
const patience = 180_000

/** Lines as they come, with those who wait for one. */
class Output {
  readonly lines: Array<string> = []
  private readonly waiting = new Set<() => void>()
  private ended = false

  add(line: string): void {
    this.lines.push(line)
    for (const look of this.waiting) look()
  }

  end(): void {
    this.ended = true
    for (const look of this.waiting) look()
  }

  find(part: string | RegExp): Effect.Effect<string> {
    return Effect.callback<string>((resume) => {
      const stop = () => {
        clearTimeout(timer)
        this.waiting.delete(look)
      }
      const end = (found: Effect.Effect<string>) => {
        stop()
        resume(found)
      }
      const look = () => {
        const line = this.lines.find((line) => typeof part === "string" ? line.includes(part) : part.test(line))
        if (line !== undefined) end(Effect.succeed(line))
        else if (this.ended) end(this.missing(part))
      }
      // Not by Effect's clock, which stands still in some tests.
      const timer = setTimeout(() => end(this.missing(part)), patience)
      this.waiting.add(look)
      look()
      return Effect.sync(stop)
    })
  }

  private missing(part: string | RegExp): Effect.Effect<never> {
    return Effect.die(new Error(`no line has ${part}:\n${this.lines.join("\n")}`))
  }
}

const start = (file: string, { args = [], cwd = project, env = {}, user }: Options) => {
  const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), file, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    ...user
  })
  const output = new Output()
  createInterface(child.stdout).on("line", (line) => output.add(line))
  createInterface(child.stderr).on("line", (line) => output.add(line))
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once("close", (code, signal) => {
      output.end()
      resolve(code ?? signal!)
    })
  })
  return { child, output, ended }
}

/** Runs a TypeScript file, named from the project's folder; kills it when the scope closes. */
export const run = (file: string, options: Options = {}): Effect.Effect<Script, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => start(file, options)),
    ({ child, ended }) => Effect.andThen(Effect.sync(() => child.kill("SIGKILL")), Effect.promise(() => ended))
  ).pipe(
    Effect.map(({ child, ended, output }) => ({
      pid: child.pid!,
      line: (part) => output.find(part),
      lines: () => output.lines,
      kill: (signal) => Effect.sync(() => void child.kill(signal)),
      exit: Effect.promise(() => ended)
    }))
  )
