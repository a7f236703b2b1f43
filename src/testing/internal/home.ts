/**
 * The folder a server lives in:
 *
 * - `data`: what initdb made, with the password in `data/pgpass`
 * - `users`: a FIFO that every process that uses the server holds open for writing: the server stops after the last one
 * - `acks`: the keeper's answers to processes that joined
 * - `server.log`, `port`: the server's log, and the port it last had
 *
 * Only the user who runs the server may enter it (and root).
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { inspect, isClosed, isOpenToAll, readText, settle, uidOf } from "./access.ts"
import { temporaryFolder } from "./binaries.ts"
import { poll, run, shell, type User } from "./command.ts"
import { because, EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"

/** Where a server lives, and who runs it. */
export interface Home {
  readonly folder: string
  readonly data: string
  readonly user: User
  /** Whether the folder goes when the server does. */
  readonly temporary: boolean
}

const makeHome = (folder: string, user: User, temporary: boolean): Home => ({
  folder,
  data: path.join(folder, "data"),
  user,
  temporary
})

/** A file or folder in the home. */
export const inside = (home: Home, ...names: ReadonlyArray<string>): string => path.join(home.folder, ...names)

const whileKeeping = (folder: string) => because(`The embedded Postgres can't keep its data in ${folder}`)

const unusable = (folder: string, reason: string) =>
  new EmbeddedPostgresError({
    message: `The embedded Postgres can't keep its data in ${folder} (${reason.trim()}): choose another dataDir`
  })

/** Removes files and folders as the server's user. `rm` does not follow links, also if they are made meanwhile. */
export const remove = (user: User, ...files: ReadonlyArray<string>): Effect.Effect<void> =>
  // A server that is ending may still write.
  Effect.asVoid(poll(
    5_000,
    Effect.map(run("rm", ["-rf", "--", ...files], user), ({ code }) => code === 0 ? true : undefined)
  ))

const close = "chmod 700 \"$1\""
const fill = `cd "$1" && mkdir -p acks && chmod 700 acks && { mkfifo users 2>/dev/null || [ -p users ]; } &&
  chmod 600 users && [ -w . ]`

/**
 * Closes the folder to others, and makes the parts of a home in it. Returns `undefined`, or why the folder can't be
 * used. It runs as the server's user, so that it fails where that user has no access, and where there can't be FIFOs.
 */
const furnish = Effect.fnUntraced(function*(folder: string, user: User) {
  const closed = yield* shell(close, [folder], user)
  if (closed.code !== 0) return closed.stderr
  if (!(yield* Effect.promise(() => isClosed(folder)))) return "it can't be closed to other users"
  yield* Effect.tryPromise({ try: () => inspect(folder, user), catch: whileKeeping(folder) })
  const filled = yield* shell(fill, [folder], user)
  return filled.code === 0 ? undefined : filled.stderr
})

const makeTemporary = (parent: string, user: User) =>
  Effect.tryPromise({
    try: async () => {
      const folder = await fs.mkdtemp(path.join(parent, "effect-pg-task-"))
      if (user !== undefined) await fs.lchown(folder, user.uid, user.gid)
      return folder
    },
    catch: because("There is no place for a temporary Postgres")
  })

const inTemporaryFolder = (user: User): Effect.Effect<Home, EmbeddedPostgresError, Scope.Scope> =>
  Effect.gen(function*() {
    const parent = yield* temporaryFolder(user)
    const folder = yield* Effect.acquireRelease(makeTemporary(parent, user), (folder) => remove(user, folder))
    const reason = yield* furnish(folder, user)
    return reason === undefined ? makeHome(folder, user, true) : yield* unusable(folder, reason)
  })

const settled = (folder: string, user: User) =>
  Effect.tryPromise({ try: () => settle(folder, user), catch: whileKeeping(folder) })

/**
 * The same folder gets the same substitute, so that the data is found again. Other users can find out its name, too.
 */
const substituteFor = Effect.fnUntraced(function*(folder: string, user: User) {
  const name = `effect-pg-task-${createHash("sha256").update(folder).digest("hex").slice(0, 12)}`
  const substitute = path.join(yield* temporaryFolder(user), `${name}-${uidOf(user) ?? 0}`)
  yield* Effect.promise(() => fs.mkdir(substitute, { mode: 0o700 }).catch(() => undefined))
  const owner = yield* settled(substitute, user)
  if (owner === "stranger") return yield* unusable(substitute, "it belongs to another user")
  const reason = yield* furnish(substitute, owner)
  return reason === undefined ? makeHome(substitute, owner, false) : yield* unusable(substitute, reason)
})

/**
 * Makes the folder, and returns its path without links. Only the last part of the path must be no link of another user.
 */
const resolve = async (asked: string): Promise<string> => {
  await fs.mkdir(asked, { recursive: true })
  const stat = await fs.lstat(asked)
  if (stat.isSymbolicLink() && stat.uid !== 0 && stat.uid !== process.getuid?.()) {
    throw new Error("it is a link that another user made")
  }
  return fs.realpath(asked)
}

/** A home in the folder asked for; `undefined` if nobody who may run the server can work there. */
const homeIn = Effect.fnUntraced(function*(folder: string, user: User) {
  if (yield* Effect.promise(() => isOpenToAll(path.dirname(folder)))) return undefined
  const owner = yield* settled(folder, user)
  if (owner === "stranger" || (yield* furnish(folder, owner)) !== undefined) return undefined
  return makeHome(folder, owner, false)
})

const inAskedFolder = Effect.fnUntraced(function*(asked: string, user: User) {
  const folder = yield* Effect.tryPromise({ try: () => resolve(asked), catch: whileKeeping(asked) })
  const reachable = yield* shell("cd \"$1\"", [folder], user)
  if (reachable.code === 0) return (yield* homeIn(folder, user)) ?? (yield* substituteFor(folder, user))
  // Removes the folder that was made above; one that is not empty stays.
  yield* Effect.promise(() => fs.rmdir(folder).catch(() => undefined))
  return yield* substituteFor(folder, user)
})

/** Finds or makes the folder for a server: the one asked for if the server's user can work there. */
export const findHome = (
  dataDir: string | undefined,
  user: User
): Effect.Effect<Home, EmbeddedPostgresError, Scope.Scope> =>
  dataDir === undefined ? inTemporaryFolder(user) : inAskedFolder(path.resolve(dataDir), user)

/** What `postmaster.pid` says about the server of a home. */
export interface Running {
  readonly pid: number
  readonly port: number
  readonly ready: boolean
}

/** Postgres's own lock file. It stays behind when the server was killed. */
const lockFile = (home: Home): string => path.join(home.data, "postmaster.pid")

const readLock = (home: Home): string => readText(lockFile(home))

/** The command line of a process, empty when it is gone (or a zombie). */
const commandLine = Effect.fnUntraced(function*(pid: number) {
  if (process.platform !== "linux") {
    return (yield* run("ps", ["-ww", "-o", "command=", "-p", `${pid}`], undefined)).stdout
  }
  return yield* Effect.promise(() => fs.readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""))
})

/** The server that runs on the home's data; `undefined` if none does, whatever a stale lock file says. */
export const running = Effect.fnUntraced(function*(home: Home) {
  const lines = readLock(home).split("\n")
  const pid = Number(lines[0])
  if (!(pid > 0)) return undefined
  const words = (yield* commandLine(pid)).replaceAll("\0", " ")
  const ours = words.includes(`postgres -D ${home.data} `)
  return ours ? { pid, port: Number(lines[3]), ready: lines[7]?.trim() === "ready" } satisfies Running : undefined
})

/** The process number in the lock file, right or stale; empty if there is no lock file. */
export const lockOwner = (home: Home): string => readLock(home).split("\n", 1)[0]?.trim() ?? ""
