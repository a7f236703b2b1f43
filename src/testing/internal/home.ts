/**
 * The folder a server lives in:
 *
 * - `data`: what initdb made
 * - `users`: a FIFO that everybody who uses the server holds open for writing. Nobody left, nothing to serve
 * - `acks`: the keeper's answers to those who came in
 * - `server.log`, `port`: the server's log, and the port it last had
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createHash, randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { type Binaries, temporaryFolder } from "./binaries.ts"
import { run, shell, type User } from "./command.ts"
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

// As the server's user, so that it fails where that user has no access, and where there can't be FIFOs.
const furnish = (folder: string, user: User) =>
  shell(
    "cd \"$1\" && mkdir -p -m 700 acks && { mkfifo -m 600 users 2>/dev/null || [ -p users ]; } && [ -w . ]",
    [folder],
    user
  )

const inTemporaryFolder = (user: User): Effect.Effect<Home, EmbeddedPostgresError, Scope.Scope> =>
  Effect.gen(function*() {
    const parent = yield* temporaryFolder(user)
    const folder = yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: () => fs.mkdtemp(path.join(parent, "effect-pg-task-")),
        catch: because("There is no place for a temporary Postgres")
      }),
      remove
    )
    if (user !== undefined) yield* Effect.promise(() => fs.chown(folder, user.uid, user.gid))
    const furnished = yield* furnish(folder, user)
    return furnished.code === 0 ? makeHome(folder, user, true) : yield* unusable(folder, furnished.stderr)
  })

const unusable = (folder: string, reason: string) =>
  new EmbeddedPostgresError({
    message: `The embedded Postgres can't keep its data in ${folder} (${reason.trim()}): choose another dataDir`
  })

const isHomeOrEmpty = (entries: ReadonlyArray<string>): boolean =>
  entries.length === 0 || entries.includes("users") || entries.includes("acks")

/** Makes the folder the server user's own. Never one with other things in it. */
const settle = async (folder: string, user: User): Promise<User> => {
  await fs.mkdir(folder, { recursive: true })
  if (!isHomeOrEmpty(await fs.readdir(folder))) throw new Error("there are other things in it")
  const { uid, gid } = await fs.stat(folder)
  if (user === undefined) return undefined
  // Root runs the server of another user's data as that user.
  if (uid !== 0) return { uid, gid }
  await fs.chown(folder, user.uid, user.gid)
  return user
}

const settled = (folder: string, user: User) =>
  Effect.tryPromise({
    try: () => settle(folder, user),
    catch: because(`The embedded Postgres can't keep its data in ${folder}`)
  })

/** The same place for the same wish, so that the data is found again. */
const substituteFor = Effect.fnUntraced(function*(folder: string, user: User) {
  const name = `effect-pg-task-${createHash("sha256").update(folder).digest("hex").slice(0, 12)}`
  const substitute = path.join(yield* temporaryFolder(user), `${name}-${user?.uid ?? process.getuid?.() ?? 0}`)
  const owner = yield* settled(substitute, user)
  // Somebody else may have made it first, and put there what they like.
  const furnished = owner?.uid === user?.uid ? yield* furnish(substitute, user) : undefined
  return furnished?.code === 0
    ? makeHome(substitute, user, false)
    : yield* unusable(substitute, furnished?.stderr ?? "it belongs to another user")
})

const inAskedFolder = Effect.fnUntraced(function*(asked: string, user: User) {
  yield* Effect.tryPromise({
    try: () => fs.mkdir(asked, { recursive: true }),
    catch: because(`The embedded Postgres can't keep its data in ${asked}`)
  })
  const folder = yield* Effect.promise(() => fs.realpath(asked))
  const reachable = yield* shell("cd \"$1\"", [folder], user)
  if (reachable.code !== 0) {
    // Removed only if empty: what was made above is of no use to anybody.
    yield* Effect.promise(() => fs.rmdir(folder).catch(() => undefined))
    return yield* substituteFor(folder, user)
  }
  const owner = yield* settled(folder, user)
  const furnished = yield* furnish(folder, owner)
  return furnished.code === 0 ? makeHome(folder, owner, false) : yield* substituteFor(folder, user)
})

/** Finds or makes the folder for a server: the one asked for if the server's user can work there. */
export const findHome = (
  dataDir: string | undefined,
  user: User
): Effect.Effect<Home, EmbeddedPostgresError, Scope.Scope> =>
  dataDir === undefined ? inTemporaryFolder(user) : inAskedFolder(path.resolve(dataDir), user)

const exists = (file: string): Effect.Effect<boolean> =>
  Effect.promise(() => fs.access(file).then(() => true, () => false))

const remove = (folder: string): Effect.Effect<void> =>
  Effect.promise(() => fs.rm(folder, { recursive: true, force: true, maxRetries: 5 }))

/** Makes the data folder unless there is one. Two at once do no harm: the one who renames first has made it. */
export const initialise = Effect.fnUntraced(function*(home: Home, { initdb }: Binaries) {
  if (yield* exists(home.data)) return
  const draft = inside(home, `draft-${randomBytes(6).toString("hex")}`)
  const flags = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"]
  const made = yield* run(initdb, ["-D", draft, ...flags], home.user).pipe(Effect.onInterrupt(() => remove(draft)))
  yield* Effect.promise(() => made.code === 0 ? fs.rename(draft, home.data).catch(() => undefined) : Promise.resolve())
  yield* remove(draft)
  if (yield* exists(home.data)) return
  return yield* new EmbeddedPostgresError({ message: `initdb failed in ${home.folder}: ${made.stderr.trim()}` })
})

/** What `postmaster.pid` says about the server of a home. */
export interface Running {
  readonly pid: number
  readonly port: number
  readonly ready: boolean
}

/** Postgres's own lock file. It stays behind when the server was killed. */
const lockFile = (home: Home): string => path.join(home.data, "postmaster.pid")

const readLock = (home: Home): string => {
  try {
    return readFileSync(lockFile(home), "utf8")
  } catch {
    return ""
  }
}

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
