/**
 * The keeper: a detached shell that starts Postgres, and stops it when nobody uses it any more.
 *
 * The processes that use the server come and go, and may be killed, so none of them can be the server's parent. All of
 * them hold a FIFO open. When the last one is gone, the operating system ends the FIFO.
 */
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { rmSync } from "node:fs"
import { readText } from "./access.ts"
import type { Binaries } from "./binaries.ts"
import { environment } from "./command.ts"
import { because } from "./EmbeddedPostgresError.ts"
import { type Home, inside, lockOwner, running } from "./home.ts"

// Postgres's lock file allows only one server for the data, and only that server's keeper opens the FIFO, so there is
// one reader at most. It answers each process with a file: an answer means that the keeper has not seen the FIFO's end.
const script = `
folder=$1 log=$2 port=$3 stale=$4 signal=$5 temporary=$6
shift 6
umask 077
unset keeper

# A killed server's lock file names a process. If another program got that number since (common in containers), Postgres
# would believe that the old server still runs. So write the number of the new server's parent into the file: Postgres
# takes that one as stale, and goes on to check shared memory.
if [ -n "$stale" ]; then
  read -r owner <"$folder/data/postmaster.pid"
  if [ "$owner" = "$stale" ]; then
    { echo $$; tail -n +2 "$folder/data/postmaster.pid"; } >"$folder/data/postmaster.pid.$$" &&
      mv "$folder/data/postmaster.pid.$$" "$folder/data/postmaster.pid"
  fi
fi

"$@" >>"$log" 2>&1 </dev/null &
server=$!
# Line 1 of the lock file is the server that has the data. Line 8 is its state, once it listens on its port.
owner= state=
until [ "$owner" = "$server" ] && [ -n "$state" ]; do
  kill -0 "$server" 2>/dev/null || exit 1
  sleep 0.02
  owner= state=
  { read -r owner; for line in 2 3 4 5 6 7; do read -r _; done; read -r state; } <"$folder/data/postmaster.pid"
done
mv "$log" "$folder/server.log"
rm -rf "$folder/ended" "$folder"/draft-*
# Unlike a pattern of the shell, this does not follow a link to a folder.
find "$folder/acks" -type f -exec rm -f {} +
echo "$port" >"$folder/port"
# Logs of failed starts that nobody has read, because the process was killed.
find "$folder" -name "start-*.log" -prune -mmin +10 -exec rm -f {} + 2>/dev/null

# Opened for both first, because opening only to read would wait for a user who may have been killed meanwhile.
exec 3<>"$folder/users" 4<"$folder/users" 3>&-
(
  while read -r user; do
    [ -z "$user" ] || : >"$folder/acks/$user"
  done
  : >"$folder/ended"
  exec <&-
  kill -s "$signal" "$server"
) <&4 &
users=$!
exec 4<&-
wait "$server"
kill "$users" 2>/dev/null
[ "$temporary" = yes ] && [ -e "$folder/ended" ] && rm -rf "$folder"
exit 0
`

/** A keeper that this process started. */
export interface Keeper {
  /** `undefined` while it runs. */
  readonly exited: () => boolean
  /** What Postgres said, if it didn't come up. */
  readonly takeLog: () => string
}

/** Why a keeper's Postgres did not come up, from what it said (in English: the data folder has locale C). */
export const causeOf = (log: string): "port" | "rival" | "other" => {
  if (/could not (bind|create any TCP)|Address already in use/.test(log)) return "port"
  // A rival's lock file is empty until it is written.
  if (/lock file "postmaster.pid" (already exists|is empty)|shared memory block .* still in use/.test(log)) {
    return "rival"
  }
  return "other"
}

/** How a server is started. */
export interface Launch {
  readonly binaries: Binaries
  readonly port: number
  readonly settings: Readonly<Record<string, string>>
}

const serverArguments = (home: Home, { binaries, port, settings }: Launch): ReadonlyArray<string> => [
  binaries.postgres,
  "-D",
  home.data,
  ...Object.entries({
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "200",
    ...settings,
    port: `${port}`
  }).flatMap(([name, value]) => ["-c", `${name}=${value}`])
]

const takeFile = (file: string): string => {
  const content = readText(file)
  rmSync(file, { force: true })
  return content
}

/**
 * Starts a keeper, detached: Ctrl-C reaches a whole process group, and the server must still run while its users end.
 */
export const startKeeper = Effect.fnUntraced(function*(home: Home, launch: Launch) {
  const stale = (yield* running(home)) === undefined ? lockOwner(home) : ""
  const log = inside(home, `start-${randomBytes(6).toString("hex")}.log`)
  // Temporary data needs no final checkpoint.
  const signal = home.temporary ? "QUIT" : "INT"
  const temporary = home.temporary ? "yes" : "no"
  const words = [home.folder, log, `${launch.port}`, stale, signal, temporary, ...serverArguments(home, launch)]
  return yield* Effect.try({
    try: (): Keeper => {
      // The script goes by the environment to keep the list of processes readable.
      const env = { ...environment(), keeper: script }
      const options = { cwd: "/", detached: true, env, stdio: "ignore", ...home.user } as const
      const child = spawn("/bin/sh", ["-c", "eval \"$keeper\"", "effect-pg-task-keeper", ...words], options)
      let exited = false
      child.on("exit", () => (exited = true)).on("error", () => (exited = true))
      child.unref()
      return { exited: () => exited, takeLog: () => takeFile(log) }
    },
    catch: because("The embedded Postgres can't be started")
  })
})
