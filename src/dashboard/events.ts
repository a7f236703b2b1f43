/** The feed of a page: its numbers as they change, and when its task has changed. */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schedule from "effect/Schedule"
import type { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Admin from "../Admin.ts"
import { numbersOf } from "./numbers.ts"
import { shownOf, statuses } from "./pages/home.ts"
import { versionOfRow } from "./pages/row.ts"
import type { Look, Sample } from "./sampler.ts"
import type { Site } from "./site.ts"

/** Text of an event, which may have many lines. */
const event = (name: string, data: string): string =>
  `event: ${name}\n${data.split("\n").map((line) => `data: ${line}\n`).join("")}\n`

/** Each sample is put into words once, for all viewers. */
const words = new WeakMap<Sample, string>()

const wordsOf = (site: Site, sample: Sample): string => {
  const made = words.get(sample) ?? event("numbers", JSON.stringify(numbersOf(sample, shownOf(site, sample), statuses)))
  words.set(sample, made)
  return made
}

const toEvents = (site: Site) => (look: Look): string =>
  look === undefined
    ? ""
    : typeof look === "string"
    ? event("lost", look)
    : `${event("found", "")}${wordsOf(site, look)}`

/** A task that is gone has changed, too. */
const versionOf = (id: string): Effect.Effect<string, never, SqlClient> =>
  Admin.get(id).pipe(
    Effect.map(versionOfRow),
    Effect.catchTag(["TaskNotFoundError", "TaskIdError"], () => Effect.succeed("gone")),
    Effect.catch(() => Effect.succeed("")),
    Effect.withTracerEnabled(false)
  )

/** A task is looked at by its key, which costs next to nothing. */
const versions = (id: string) =>
  Stream.fromEffectSchedule(versionOf(id), Schedule.spaced("700 millis")).pipe(
    Stream.filter((version) => version !== ""),
    Stream.changes,
    Stream.map((version) => event("version", version))
  )

/** Proxies close a connection that is silent. */
const heartbeats = Stream.map(Stream.tick("15 seconds"), () => ": still here\n\n")

/** After this, the browser connects anew, and its access is checked anew. */
const maxLife = "10 minutes"

/** The feed. With an id, it is that of the page of one task. */
export const feed = (site: Site, id: string | null, stopping: Effect.Effect<unknown>) =>
  Effect.map(Effect.context<SqlClient>(), (context) => {
    const numbers = Stream.map(Stream.unwrap(site.sampler.looks), toEvents(site))
    const changes = id === null ? numbers : versions(id)
    const all = Stream.merge(changes, heartbeats).pipe(
      Stream.interruptWhen(Effect.raceFirst(Effect.sleep(maxLife), stopping)),
      Stream.filter((text) => text !== ""),
      Stream.provideContext(context)
    )
    const chunks = Stream.encodeText(Stream.concat(Stream.succeed("retry: 1000\n\n"), all))
    return HttpServerResponse.stream(chunks, {
      contentType: "text/event-stream; charset=utf-8",
      headers: { "x-accel-buffering": "no" }
    })
  })
