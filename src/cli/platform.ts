/**
 * The little of Node that `effect/cli` needs, so that the command runs with nothing but the library's peers installed.
 */
import type * as Cause from "effect/Cause"
import type * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as PlatformError from "effect/PlatformError"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import * as NodeFs from "node:fs/promises"
import * as NodePath from "node:path"
import * as Readline from "node:readline"

const { stdin, stdout } = process

const stdio = Layer.succeed(
  Stdio.Stdio,
  Stdio.make({
    args: Effect.sync(() => process.argv.slice(2)),
    stdinIsTerminal: Effect.sync(() => stdin.isTTY),
    stdoutIsTerminal: Effect.sync(() => stdout.isTTY),
    stderrIsTerminal: Effect.sync(() => process.stderr.isTTY),
    stdin: Stream.empty,
    stdout: () => Sink.drain,
    stderr: () => Sink.drain
  })
)

const columns = Effect.sync(() => stdout.columns)
const rows = Effect.sync(() => stdout.rows)

const size = Effect.gen(function*() {
  const queue = yield* Queue.sliding<Terminal.Size, Cause.Done>(1)
  const onResize = () => Queue.offerUnsafe(queue, { columns: stdout.columns, rows: stdout.rows })
  yield* Effect.acquireRelease(
    Effect.sync(() => stdout.on("resize", onResize)),
    () => Effect.sync(() => stdout.off("resize", onResize))
  )
  onResize()
  return queue
})

const quits = ({ ctrl, name }: Readline.Key) => name === "escape" || (ctrl === true && (name === "c" || name === "d"))

/** Keys, one by one, for as long as the scope is open. */
const readInput = Effect.gen(function*() {
  const queue = yield* Queue.make<Terminal.UserInput, Cause.Done>()
  const onEnd = () => Queue.endUnsafe(queue)
  const onKey = (input: string | undefined, key: Readline.Key) => {
    const { ctrl = false, meta = false, name = "", shift = false } = key
    Queue.offerUnsafe(queue, { input: Option.fromUndefinedOr(input), key: { ctrl, meta, name, shift } })
    if (quits(key)) onEnd()
  }
  const listen = (on: boolean) =>
    Effect.sync(() => {
      if (stdin.isTTY) stdin.setRawMode(on)
      stdin[on ? "on" : "off"]("keypress", onKey)[on ? "on" : "off"]("end", onEnd)[on ? "resume" : "pause"]()
    })
  Readline.emitKeypressEvents(stdin)
  yield* Effect.acquireRelease(listen(true), () => listen(false))
  return queue
})

const readLine = Effect.callback<string, Terminal.QuitError>((resume) => {
  const lines = Readline.createInterface({ input: stdin })
  lines.once("line", (line) => {
    resume(Effect.succeed(line))
    lines.close()
  })
  lines.once("close", () => resume(Effect.fail(new Terminal.QuitError({}))))
  return Effect.sync(() => lines.close())
})

const display = (text: string) => Effect.callback<void>((resume) => void stdout.write(text, () => resume(Effect.void)))

const terminal = Layer.succeed(
  Terminal.Terminal,
  Terminal.make({ columns, rows, size, readInput, readLine, display })
)

const failure = (method: string, path: string) => (cause: unknown) =>
  PlatformError.systemError({ _tag: "Unknown", module: "FileSystem", method, pathOrDescriptor: path, cause })

/** For flags that name files, and for the wizard's way to choose them. */
const files = FileSystem.layerNoop({
  exists: (path) => Effect.promise(() => NodeFs.access(path).then(() => true, () => false)),
  stat: (path) =>
    Effect.map(
      Effect.tryPromise({ try: () => NodeFs.stat(path), catch: failure("stat", path) }),
      (stats) => ({ type: stats.isDirectory() ? "Directory" : "File" }) as FileSystem.File.Info
    ),
  readDirectory: (path) => Effect.tryPromise({ try: () => NodeFs.readdir(path), catch: failure("readDirectory", path) })
})

const paths = Layer.effect(
  Path.Path,
  Effect.map(Path.Path, (path) => ({ ...path, resolve: (...parts) => NodePath.resolve(...parts) }))
).pipe(Layer.provide(Path.layer))

const noChildren = Layer.succeed(
  ChildProcessSpawner.ChildProcessSpawner,
  ChildProcessSpawner.make(() => Effect.die(new Error("pg-task starts no processes through Effect")))
)

/** Everything that `Command.run` asks for. */
export const layer: Layer.Layer<Command.Environment> = Layer.mergeAll(stdio, terminal, files, paths, noChildren)
