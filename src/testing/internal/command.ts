/**
 * Commands of the operating system, run as a given user, and the user to run them as.
 */
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { performance } from "node:perf_hooks"
import { setTimeout as delay } from "node:timers/promises"

/** A user of this machine; `undefined` stands for the one who runs this process. */
export type User = { readonly uid: number; readonly gid: number } | undefined

/** The result of a command. If it couldn't be run at all: code -1, and the reason in `stderr`. */
export interface Output {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Only the variables that Postgres needs: a `PG…` variable of the caller's shell must not change the server. */
export const environment = (): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
  LC_ALL: "C",
  ...(process.env["TZ"] === undefined ? {} : { TZ: process.env["TZ"] })
})

/** Runs a command to its end, in `/`, because the user may not be allowed into the current folder. */
export const run = (command: string, args: ReadonlyArray<string>, user: User): Effect.Effect<Output> =>
  Effect.callback<Output>((resume, signal) => {
    const options = { cwd: "/", env: environment(), signal, ...user }
    try {
      execFile(command, args, options, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1
        resume(Effect.succeed({ code, stdout, stderr: stderr === "" && error !== null ? error.message : stderr }))
      })
    } catch (error) {
      resume(Effect.succeed({ code: -1, stdout: "", stderr: String(error) }))
    }
  })

/** Runs a shell script as the user; `$1`, `$2`, … are its arguments. */
export const shell = (script: string, args: ReadonlyArray<string>, user: User): Effect.Effect<Output> =>
  run("/bin/sh", ["-c", script, "sh", ...args], user)

const idOf = Effect.fnUntraced(function*(name: string) {
  const uid = yield* run("id", ["-u", name], undefined)
  const gid = yield* run("id", ["-g", name], undefined)
  if (uid.code !== 0 || gid.code !== 0) return undefined
  // `| 0`: macOS prints its nobody, -2, as 4294967294, which `spawn` refuses.
  const user = { uid: Number(uid.stdout) | 0, gid: Number(gid.stdout) | 0 }
  return user.uid === 0 ? undefined : user
})

/** Postgres refuses to run as root, so root runs it as an unprivileged user that every system has. */
export const serverUser: Effect.Effect<User> = Effect.gen(function*() {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ["postgres", "_postgres", "nobody", "daemon"]) {
    const user = yield* idOf(name)
    if (user !== undefined) return user
  }
  return undefined
})

/**
 * Asks again and again until there is an answer; `undefined` when `millis` have passed without one.
 * It uses real time, not the `Clock`: with a `TestClock` it would never go on.
 */
export const poll = <A, E, R>(
  millis: number,
  ask: Effect.Effect<A | undefined, E, R>
): Effect.Effect<A | undefined, E, R> =>
  Effect.gen(function*() {
    const end = performance.now() + millis
    while (true) {
      const answer = yield* ask
      if (answer !== undefined || performance.now() > end) return answer
      yield* pause
    }
  })

const pause = Effect.promise((signal) => delay(20, undefined, { signal }).catch(() => undefined))
