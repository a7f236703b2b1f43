/**
 * Joining the users of a server, and starting it if there is none.
 *
 * A process that holds the home's FIFO open, and was answered by the keeper, has a server until it closes the FIFO.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { randomBytes, randomInt } from "node:crypto"
import * as fs from "node:fs"
import { createServer } from "node:net"
import { openFile, readText } from "./access.ts"
import type { Binaries } from "./binaries.ts"
import { initialise, readPassword } from "./cluster.ts"
import { poll, run } from "./command.ts"
import { because, EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"
import { type Home, inside, running } from "./home.ts"
import { causeOf, type Keeper, startKeeper } from "./keeper.ts"

/** How long a server may take to start or to stop: crash recovery on a slow disk takes long. */
const startTimeout = 120_000
/** How long to wait for a server without a keeper to get one, or to stop, before it is told to stop. */
const orphanPatience = 5_000

/**
 * How long a process that leaves waits for signs that it was the last user, in milliseconds. Longer, in tests of what the
 * last one does: on a busy machine it takes the keeper a while to notice.
 */
export const LeavePatience = Context.Reference<number>("effect-pg-task/testing/internal/LeavePatience", {
  defaultValue: () => 500
})

/** What a user of a server needs to know of it. */
export interface Wish {
  readonly home: Home
  readonly binaries: Binaries
  readonly settings: Readonly<Record<string, string>>
  /** `undefined`: the last one if it is free, else any. */
  readonly port: number | undefined
}

/**
 * Opens the FIFO. For both directions first, because opening it only to write fails while there is no reader. Then the
 * end for reading is closed, or else this process would not notice when the keeper ends.
 */
export const openFifo = (home: Home): Effect.Effect<number, EmbeddedPostgresError> =>
  Effect.try({
    try: () => {
      const both = openFile(inside(home, "users"), fs.constants.O_RDWR)
      try {
        const { fd, stat } = openFile(inside(home, "users"), fs.constants.O_WRONLY)
        if (stat.isFIFO()) return fd
        fs.closeSync(fd)
        throw new Error(`${inside(home, "users")} is no FIFO`)
      } finally {
        fs.closeSync(both.fd)
      }
    },
    catch: because("The embedded Postgres can't be reached")
  })

/** Whether there is a keeper to read this. */
const tell = (fifo: number, line: string): boolean => {
  try {
    fs.writeSync(fifo, `${line}\n`)
    return true
  } catch {
    return false
  }
}

/** `true` once the keeper has answered, `false` as soon as there is none. */
const isAnswered = (home: Home, fifo: number): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const name = randomBytes(8).toString("hex")
    const ack = inside(home, "acks", name)
    if (!tell(fifo, name)) return Effect.succeed(false)
    const answer = Effect.sync(() => {
      if (!fs.existsSync(ack)) return tell(fifo, "") ? undefined : false
      fs.rmSync(ack, { force: true })
      return true
    })
    return poll(startTimeout, answer).pipe(Effect.map((answered) => answered === true))
  })

/** The port of a server that is ready; `undefined` if its keeper ends before that. */
const readyPort = (home: Home, fifo: number) =>
  poll(
    startTimeout,
    Effect.gen(function*() {
      if (!tell(fifo, "")) return "gone" as const
      const server = yield* running(home)
      return server?.ready === true ? server.port : undefined
    })
  ).pipe(Effect.map((port) => (port === "gone" ? undefined : port)))

const isFree = (port: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const probe = createServer()
    probe.once("error", () => resume(Effect.succeed(false)))
    probe.listen(port, "127.0.0.1", () => probe.close(() => resume(Effect.succeed(true))))
  })

/**
 * Below the range from which systems choose ports for outgoing connections. Else a client that tries to reconnect while
 * the server is down may get the server's port as its own, connect to itself, and block the port for the server.
 */
const freePort = Effect.gen(function*() {
  while (true) {
    const port = randomInt(20_000, 30_000)
    if (yield* isFree(port)) return port
  }
})

const choosePort = Effect.fnUntraced(function*({ home, port }: Wish) {
  if (port !== undefined) return port
  const last = Number(readText(inside(home, "port")))
  return last > 0 && (yield* isFree(last)) ? last : yield* freePort
})

/** Waits for a server without a keeper to get one or to stop. If it does neither, it has lost its keeper: stops it. */
const awaitOrphan = Effect.fnUntraced(function*(home: Home, fifo: number) {
  const settled = Effect.gen(function*() {
    return tell(fifo, "") || (yield* running(home)) === undefined ? true : undefined
  })
  if (yield* poll(orphanPatience, settled)) return
  const orphan = yield* running(home)
  if (orphan === undefined) return
  yield* signal(home, orphan.pid, "INT")
  if (yield* poll(startTimeout, settled)) return
  return yield* new EmbeddedPostgresError({
    message: `Another Postgres (process ${orphan.pid}) runs on ${home.data}, and doesn't stop: stop it first`
  })
})

/** Tells a server to stop, as its user, who can't stop servers of others. It is no error if it is gone already. */
export const signal = (home: Home, pid: number, name: "INT" | "QUIT"): Effect.Effect<void> =>
  Effect.asVoid(run("kill", ["-s", name, `${pid}`], home.user))

const failure = (wish: Wish, log: string): EmbeddedPostgresError =>
  new EmbeddedPostgresError({
    message: causeOf(log) === "port"
      ? `The embedded Postgres can't have port ${wish.port}: something else listens there`
      : `The embedded Postgres in ${wish.home.data} does not start: ${log.trim() || "it said nothing"}`
  })

/** Starts a keeper, and waits until it reads the FIFO or has failed. */
const startServer = Effect.fnUntraced(function*(wish: Wish, fifo: number) {
  yield* initialise(wish.home, wish.binaries)
  yield* readPassword(wish.home)
  const keeper = yield* startKeeper(wish.home, { ...wish, port: yield* choosePort(wish) })
  const outcome = Effect.sync(() => tell(fifo, "") ? "reads" as const : keeper.exited() ? "exited" as const : undefined)
  if ((yield* poll(startTimeout, outcome)) === "reads") return
  yield* retryable(wish, keeper)
})

/** A rival that came first, or a port that was taken just now, is no failure: the next round deals with it. */
const retryable = (wish: Wish, keeper: Keeper): Effect.Effect<void, EmbeddedPostgresError> =>
  Effect.suspend(() => {
    const log = keeper.takeLog()
    const cause = causeOf(log)
    return cause === "rival" || (cause === "port" && wish.port === undefined)
      ? Effect.void
      : Effect.fail(failure(wish, log))
  })

/**
 * One round: a port, or `undefined` for another round. It fails after five servers that ended before they were ready.
 */
const attempt = (wish: Wish, fifo: number) => {
  let crashes = 0
  return Effect.gen(function*() {
    const { home } = wish
    if (!(yield* isAnswered(home, fifo))) {
      yield* (yield* running(home)) === undefined ? startServer(wish, fifo) : awaitOrphan(home, fifo)
      return undefined
    }
    const port = yield* readyPort(home, fifo)
    if (port !== undefined) return port
    crashes += 1
    return crashes < 5 ? undefined : yield* failure(wish, lastWords(home))
  })
}

const lastWords = (home: Home): string => readText(inside(home, "server.log")).split("\n").slice(-20).join("\n")

/** Returns the port of a server that stays as long as `fifo` is open. */
export const join = Effect.fnUntraced(function*(wish: Wish, fifo: number) {
  const { home } = wish
  const port = yield* poll(startTimeout, attempt(wish, fifo))
  if (port === undefined) return yield* failure(wish, lastWords(home))
  if (wish.port === undefined || wish.port === port) return port
  return yield* new EmbeddedPostgresError({
    message: `The embedded Postgres in ${home.data} runs already, on port ${port}, not ${wish.port}: `
      + "ask for that port, or for none"
  })
})

/** Gives up the server. Waits for its end if this was its last user. */
export const leave = (home: Home, fifo: number, patience: number): Effect.Effect<void> =>
  Effect.gen(function*() {
    const server = yield* running(home)
    fs.closeSync(fifo)
    // The keeper takes a moment to notice. If it doesn't, there are others, and the server is theirs.
    const ended = Effect.sync(() => (fs.existsSync(inside(home, "ended")) || !fs.existsSync(home.folder)) || undefined)
    if (server === undefined || (!home.temporary && (yield* poll(patience, ended)) === undefined)) return
    yield* poll(
      startTimeout,
      Effect.map(running(home), (now) => (now?.pid === server.pid ? undefined : true))
    )
  })
