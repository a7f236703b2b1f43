/** The many ways in which worker processes differ: what they know, how they connect, what is wrong with them. */
import type { Settings } from "../../src/internal/worker/settings.ts"
import type { Random } from "./Random.ts"

/** What a worker process is started with. */
export interface Variant {
  readonly name: string
  /** Which tasks it knows. Older ones lack a state. */
  readonly tasks: "all" | "journeys" | "errands" | "older"
  /** The version of its recurring tasks. */
  readonly build: number
  readonly url: string
  /** For its notes: neither through the proxy nor with the settings below. */
  readonly observerUrl: string
  readonly maxConnections: number
  readonly multiplex: boolean
  readonly prepare: boolean
  /** Of its sessions. */
  readonly settings: Readonly<Record<string, string>>
  /** By how much its clock is wrong, in milliseconds. */
  readonly clockOffset: number
  readonly sayMemoryEvery: number
  /**
   * How often it looks for parents whose children have ended unnoticed, in milliseconds. Null: never. Where no worker
   * crashes, none must be left to such a look.
   */
  readonly looksForParents: number | null
  /** How often it dies when it has stored the end of a child, before it tells the parent. */
  readonly diesBeforeTelling: number
  readonly options: Omit<Settings, "recurring" | "tasks">
}

/** Where workers connect. */
export interface Urls {
  readonly direct: string
  readonly proxied: string
  readonly observer: string
}

/** A worker with nothing wrong. */
export const plain = (name: string, urls: Urls, lease: number): Variant => ({
  name,
  tasks: "all",
  build: 2,
  url: urls.direct,
  observerUrl: urls.observer,
  maxConnections: 10,
  multiplex: false,
  prepare: true,
  settings: {},
  clockOffset: 0,
  sayMemoryEvery: 10_000,
  looksForParents: null,
  diesBeforeTelling: 0,
  options: {
    concurrency: 12,
    bufferSize: 1000,
    lease,
    maxCrashes: 4,
    shutdownTimeout: 1000,
    pollInterval: 2000
  }
})

/** Looks for parents that nobody tells, often enough for a round. */
export const looking = (variant: Variant): Variant => ({ ...variant, looksForParents: 4000 })

const hour = 3_600_000

/** Limits that the server sets to sessions. They hit what waits for a lock, or holds a transaction for long. */
const limits = [
  { statement_timeout: "150" },
  { lock_timeout: "20" },
  { idle_in_transaction_session_timeout: "300" },
  { default_transaction_isolation: "repeatable read" }
]

/** A worker with this or that wrong. */
export const odd = (name: string, urls: Urls, random: Random): Variant => {
  const usual = plain(name, urls, random.int(1000, 3000))
  return {
    ...usual,
    tasks: random.weighted({ all: 5, journeys: 2, errands: 2, older: 2 }),
    build: random.int(1, 3),
    url: random.chance(0.4) ? urls.proxied : urls.direct,
    diesBeforeTelling: random.chance(0.3) ? 0.05 : 0,
    maxConnections: random.pick([1, 2, 3, 10, 10]),
    multiplex: random.chance(0.3),
    prepare: random.chance(0.8),
    settings: random.chance(0.3) ? random.pick(limits) : {},
    clockOffset: random.pick([0, 0, hour, -hour]),
    options: {
      ...usual.options,
      concurrency: random.pick([1, 4, 10, 12, 30]),
      bufferSize: random.pick([0, 5, 1000]),
      shutdownTimeout: random.pick([0, 500, 2000]),
      pollInterval: random.pick([200, 2000, 10_000])
    }
  }
}

/** A worker with nothing wrong, in one of the usual ways, and with connections to spare. */
export const sound = (name: string, urls: Urls, random: Random, lease: number): Variant => {
  const usual = plain(name, urls, lease)
  return {
    ...usual,
    maxConnections: 20,
    multiplex: random.chance(0.3),
    prepare: random.chance(0.8),
    options: {
      ...usual.options,
      concurrency: random.pick([4, 8]),
      bufferSize: random.pick([0, 5, 1000]),
      pollInterval: random.pick([500, 2000, 10_000])
    }
  }
}

/** As many steps as connections, some with the defaults: steps that hold theirs leave none for the worker itself. */
export const tight = (name: string, urls: Urls, random: Random, lease: number): Variant => {
  const usual = plain(name, urls, lease)
  const [maxConnections, concurrency] = random.pick([[10, 10], [10, 10], [5, 5], [5, 12], [10, 30]] as const)
  return { ...usual, maxConnections, multiplex: random.chance(0.2), options: { ...usual.options, concurrency } }
}
