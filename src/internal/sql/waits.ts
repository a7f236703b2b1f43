/**
 * How a row waits: what a claim tells of it, and what an outcome writes into it.
 *
 * A row of a waiting state has `waits_for` (the tags of the signals, and names that begin with `$`), `wait_until` (when
 * the wait is over, or null), and is due then, or never (`infinity`). A signal makes it due.
 */
import { millis } from "./time.ts"

/** What a claim tells of a row that has waited, or has got signals. It is a part of `facts`: absent fields are null. */
export interface WaitFacts {
  /** How often something came that the row might wait for. Absent: never. */
  readonly wakes?: number
  /** What it waited for when it was claimed. */
  readonly waitsFor?: ReadonlyArray<string>
  /** The time of its wait is over. */
  readonly timedOut?: boolean
  /** Its signals: see signals.ts. */
  readonly inbox?: unknown
  /** It has signals that are too long to be claimed with many rows: see `readInbox`. */
  readonly longInbox?: boolean
}

export const hasWaitFacts = "t.waits_for is not null or t.wait_until is not null or t.inbox is not null or t.wakes > 0"

/** A claim may take a thousand rows: so it takes only short inboxes with them. In bytes. */
const shortInbox = "octet_length(t.inbox::text) <= 10000"

/** The parts of a JSON object. */
export const waitFacts = `'wakes', nullif(t.wakes, 0), 'waitsFor', t.waits_for,
    'timedOut', case when t.wait_until <= now() then true end,
    'inbox', case when ${shortInbox} then t.inbox end,
    'longInbox', case when not ${shortInbox} then true end`

/** What the end of an attempt on a waiting state, or a move into one, writes into its row. */
export interface WaitChange {
  /** The attempt was of a waiting state. */
  readonly waited?: boolean
  /** The place of the signal that it took: it leaves the inbox together with the state. */
  readonly taken?: number
  /** What the row waits for from now on. */
  readonly waits?: ReadonlyArray<string>
  /** Its wait is over so many milliseconds after it begins, or at a moment, in ISO 8601. Neither: never. */
  readonly timeout?: number
  readonly until?: string
  /** The `wakes` that the claim has read. */
  readonly wakes?: number
}

/** The fields of a {@link WaitChange} in a `json_to_recordset`. */
export const waitColumns = "taken int, waits text[], timeout float8, until timestamptz, wakes int"

/** The inbox without the signal in this place. Null when nothing remains of it. */
export const inboxWithout = (taken: string): string =>
  `nullif(t.inbox || jsonb_build_object('signals', (t.inbox -> 'signals') - ${taken}), '{"signals": []}')`

/**
 * The inbox without the signal that was taken, if the attempt's state is left. An outcome that is sent again finds its row
 * one transition further, and the signal gone: another one has its place.
 */
const inboxAfter = `case when c.taken is null or c.step is null or t.transitions <> c.n then t.inbox
      else ${inboxWithout("c.taken")} end`

/** How many signals a row has. People may write anything into it: an inbox that has none counts as null. */
export const countSignals =
  `case when jsonb_typeof(t.inbox -> 'signals') = 'array' then jsonb_array_length(t.inbox -> 'signals') end`

/** A row that has waited already, and is only armed again, keeps the time of its wait. */
const waitUntil = (from: string) =>
  `case when c.timeout is null and c.until is null then null
      when c.step is null and t.wait_until is not null then t.wait_until
      else coalesce(c.until, coalesce(c.at, ${from} + coalesce(${millis("c.delay")}, interval '0')) + ${
    millis("c.timeout")
  }) end`

/**
 * A row that comes into a waiting state is due at once if something came since it was claimed, which the attempt can't
 * have seen, or if it has a signal that it waits for. Signals and this update change the same row: so Postgres
 * serialises them, and evaluates the later one on the row as the earlier one has left it.
 */
const becomesDue = `t.wakes <> c.wakes or coalesce(jsonb_path_exists((${inboxAfter}) -> 'signals',
      '$[*] ? (@.tag == $tags[*])', jsonb_build_object('tags', to_jsonb(c.waits))), false)`

/**
 * When a row is due that waits from now on. At once is `now()`, also in a step's transaction, where `from` is later: the
 * trigger that notifies compares with it.
 */
export const dueOfWait = (from: string) =>
  `case when ${becomesDue} then now() else coalesce(${waitUntil(from)}, 'infinity') end`

/**
 * What an outcome sets. While the handler of a signal or of a timeout is retried, the row waits for nothing: signals
 * must not cut its retry delay short. But the time of its wait stays.
 */
export const setWait = (from: string) =>
  `waits_for = case when c.kind = 'Waiting' then c.waits when c.step is null and c.kind <> 'Retried' then t.waits_for end,
    wait_until = case when c.kind = 'Waiting' then ${waitUntil(from)} when c.step is null then t.wait_until end,
    inbox = ${inboxAfter}`
