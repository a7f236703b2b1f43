/**
 * The data folder: initdb makes it, with a random password, which every connection needs.
 */
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { readPlain, uidOf } from "./access.ts"
import type { Binaries } from "./binaries.ts"
import { run, shell } from "./command.ts"
import { because, EmbeddedPostgresError } from "./EmbeddedPostgresError.ts"
import { type Home, inside, remove } from "./home.ts"

/**
 * The password, in libpq's format. It is in the data folder, so that two processes that make one can't mix theirs up.
 */
export const passfile = (home: Home): string => path.join(home.data, "pgpass")

// Not as an argument of a command: every user of the machine sees those.
const makePassword =
  `umask 077 && password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \\n') && [ "\${#password}" = 48 ] &&
  printf '%s\\n' "$password" >"$1" && printf '127.0.0.1:*:*:postgres:%s\\n' "$password" >"$2"`

const flags = ["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"]

const exists = (file: string): Effect.Effect<boolean> =>
  Effect.promise(() => fs.access(file).then(() => true, () => false))

/** Makes the data folder unless there is one. Two processes may do so at once: the one that renames first wins. */
export const initialise = Effect.fnUntraced(function*(home: Home, { initdb }: Binaries) {
  if (yield* exists(home.data)) return
  const draft = inside(home, `draft-${randomBytes(6).toString("hex")}`)
  const [password, pgpass] = [`${draft}.password`, `${draft}.pgpass`]
  const made = yield* Effect.gen(function*() {
    const written = yield* shell(makePassword, [password, pgpass], home.user)
    if (written.code !== 0) return written
    return yield* run(initdb, ["-D", draft, `--pwfile=${password}`, ...flags], home.user)
  }).pipe(Effect.onInterrupt(() => remove(home.user, draft, password, pgpass)))
  const keep = async () => {
    await fs.rename(pgpass, path.join(draft, "pgpass"))
    await fs.rename(draft, home.data)
  }
  if (made.code === 0) yield* Effect.promise(() => keep().catch(() => undefined))
  yield* remove(home.user, draft, password, pgpass)
  if (yield* exists(home.data)) return
  return yield* new EmbeddedPostgresError({ message: `initdb failed in ${home.folder}: ${made.stderr.trim()}` })
})

const read = (home: Home): string => {
  const { content, stat } = readPlain(passfile(home))
  if (stat.uid !== uidOf(home.user)) throw new Error("it belongs to another user, remove it")
  if ((stat.mode & 0o077) !== 0) throw new Error("others may read it: close it with chmod 600")
  return content.trim().split(":").at(-1) ?? ""
}

/** The superuser's password. Only the user who runs the server can read it, and root. */
export const readPassword = Effect.fnUntraced(function*(home: Home) {
  if (yield* exists(passfile(home))) {
    return yield* Effect.try({
      try: () => read(home),
      catch: because(`The password in ${passfile(home)} is of no use`)
    })
  }
  return yield* new EmbeddedPostgresError({
    message: `There is no password in ${passfile(home)}. The data is from before there were passwords, or the file was `
      + `removed: remove ${home.folder} to begin with empty data`
  })
})
