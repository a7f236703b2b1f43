/** Where the database is, as libpq finds it: what the URL leaves out comes from PG* variables, or from defaults. */
import { type Stats, statSync } from "node:fs"
import { homedir, userInfo } from "node:os"
import { join } from "node:path"

/** The parameters of a connection, by libpq's names, and the variables that stand for them. */
const variables = {
  host: "PGHOST",
  port: "PGPORT",
  user: "PGUSER",
  password: "PGPASSWORD",
  dbname: "PGDATABASE",
  sslmode: "PGSSLMODE",
  options: "PGOPTIONS",
  connect_timeout: "PGCONNECT_TIMEOUT"
} as const

type Parameter = keyof typeof variables

export type Environment = Readonly<Record<string, string | undefined>>

/** Parameters that are not set are missing. */
export interface Address extends Readonly<Partial<Record<Parameter, string>>> {
  /** A name, an address, or the folder of a socket. */
  readonly host: string
  readonly port: string
  readonly user: string
  readonly dbname: string
}

type Given = { readonly [P in Parameter]?: string }

/** libpq accepts a user without a host, `URL` doesn't. */
const withoutHost = /^(postgres(?:ql)?:\/\/[^/?#]*@)(?=[:/?]|$)/

const isParameter = (name: string): name is Parameter => Object.hasOwn(variables, name)

/** The parameters in a URL. Undefined if it is no URL of Postgres. */
export const parseUrl = (text: string): Given | undefined => {
  try {
    const url = new URL(text.replace(withoutHost, "$1nameless"))
    if (!/^postgres(ql)?:$/.test(url.protocol)) return undefined
    return {
      host: withoutHost.test(text) ? "" : decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, "$1"),
      port: url.port,
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      dbname: decodeURIComponent(url.pathname.replace(/^\//, "")),
      ...Object.fromEntries([...url.searchParams].filter(([name]) => isParameter(name)))
    }
  } catch {
    return undefined
  }
}

/** Whether the variables alone name a database. */
export const isNamed = (env: Environment): boolean =>
  (["host", "port", "user", "dbname"] as const).some((parameter) => Boolean(env[variables[parameter]]))

const isSocketFolder = (host: string) => host.startsWith("/")

const find = (file: string): Stats | undefined => statSync(file, { throwIfNoEntry: false })

/** Where Debian's packages keep the socket, or else where Postgres itself does. */
const socketFolder = (): string => find("/var/run/postgresql") === undefined ? "/tmp" : "/var/run/postgresql"

const defaultHost = (port: string): string =>
  find(join(socketFolder(), `.s.PGSQL.${port}`))?.isSocket() === true ? socketFolder() : "localhost"

/** The user of the process: the variable `USER` may be missing. */
const systemUser = (env: Environment): string => {
  try {
    return userInfo().username
  } catch {
    return env["USER"] || env["USERNAME"] || "postgres"
  }
}

/** Fills in what the URL leaves out. An empty part counts as left out. */
export const resolve = (given: Given, env: Environment): Address => {
  const found = Object.fromEntries(
    Object.entries(variables).map(([name, variable]) => [name, given[name as Parameter] || env[variable]] as const)
      .filter(([, value]) => value)
  ) as Given
  const port = found.port ?? "5432"
  const user = found.user ?? systemUser(env)
  const host = found.host ?? defaultHost(port)
  return {
    ...found,
    host,
    port,
    user,
    dbname: found.dbname ?? user,
    // Sockets have no SSL: libpq doesn't ask for it there either.
    ...(isSocketFolder(host) ? { sslmode: "disable" } : {})
  }
}

// ---------------------------------------------------------------------------------------------------------------
// The password file
// ---------------------------------------------------------------------------------------------------------------

/** Where libpq looks for passwords. */
export const passwordFile = (env: Environment): string =>
  env["PGPASSFILE"]
  || (process.platform === "win32"
    ? join(env["APPDATA"] ?? homedir(), "postgresql", "pgpass.conf")
    : join(homedir(), ".pgpass"))

/** As in libpq: a file that others may read or write is not used. */
export type PasswordFile = "Usable" | "Open" | "Missing"

export const inspect = (file: string): PasswordFile => {
  const stats = find(file)
  if (stats?.isFile() !== true) return "Missing"
  return process.platform === "win32" || (stats.mode & 0o077) === 0 ? "Usable" : "Open"
}

const field = String.raw`((?:\\.|[^\\:])*)`
const line = new RegExp(`^${field}:${field}:${field}:${field}:(.*)$`)

const unescape = (text: string) => text.replace(/\\(.)/g, "$1")

/** The password of the first line that fits, out of the file's text. */
export const findPassword = (text: string, { dbname, host, port, user }: Address): string | undefined => {
  const name = host === socketFolder() ? "localhost" : host
  const fits = (fields: ReadonlyArray<string>) =>
    [name, port, dbname, user].every((wanted, index) => fields[index] === "*" || unescape(fields[index]!) === wanted)
  for (const one of text.split(/\r?\n/)) {
    const [, ...fields] = one.startsWith("#") ? [] : line.exec(one) ?? []
    if (fields.length > 0 && fits(fields)) return unescape(fields[4]!)
  }
  return undefined
}
