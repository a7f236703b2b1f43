/**
 * `npm run limits`: the contacts of tenants are fetched from an API. Of each tenant, two are fetched at a time, and the
 * API takes 40 calls a second of each. One tenant is noisy: it comes first, and with 300 tasks. The quiet one's task
 * starts at once all the same. When the API has had enough of the noisy tenant, all of its tasks wait, and nobody else's.
 *
 * `npm run sql -- "select status, key, count(*) from pg_task_status group by 1, 2"` beside it shows who waits.
 */
import { Console, Duration, Effect, Schema } from "effect"
import { Limit, Limits, Migrations, NextStep, Step, Task, Worker } from "effect-pg-task"
import { main } from "./support/database.ts"
import { LinesLive } from "./support/lines.ts"
import { untilDone } from "./support/rows.ts"

class Fetch extends Schema.TaggedClass<Fetch>()("Fetch", { tenant: Schema.String, page: Schema.Number }) {}

const Api = Limit.make("api", { running: 2, rate: { limit: 40, per: "1 second" } })

/** An API that has had enough, once. */
const call = ({ page, tenant }: Fetch, attempt: number) =>
  Effect.as(Effect.sleep("5 millis"), tenant === "noisy" && page === 3 && attempt === 1 ? 429 : 200)

const fetched = { noisy: 0, quiet: 0 }

const fetch = Step.make(Fetch, {
  limit: Api.by(({ tenant }) => tenant),
  retryLimit: 3,
  retryDelay: "100 millis",
  handler: Effect.fnUntraced(function*(state) {
    const { attempt } = yield* Step.Context
    const status = yield* call(state, attempt)
    if (status === 429) {
      yield* Console.log("The API has had enough of the noisy tenant: its tasks wait for a second")
      yield* Api.backOff("1 second", { key: state.tenant })
      return yield* Effect.fail("too many requests")
    }
    fetched[state.tenant as "noisy" | "quiet"]++
    if (state.tenant === "quiet") {
      yield* Console.log(`The quiet tenant has its page; noisy ones so far: ${fetched.noisy}`)
    }
    return NextStep.none
  })
})

const Contacts = Task.make("Contacts", [fetch])

const program = Effect.gen(function*() {
  yield* Migrations.run
  yield* Contacts.enqueueAll(Array.from({ length: 300 }, (_, page) => new Fetch({ tenant: "noisy", page })))
  const [took] = yield* Effect.timed(
    Effect.gen(function*() {
      // Two workers: the limit holds for both together.
      for (let n = 0; n < 2; n++) yield* Worker.make({ tasks: [Contacts] })
      yield* Contacts.enqueue(new Fetch({ tenant: "quiet", page: 0 }))
      for (const { key, running, waiting } of yield* Limits.list()) {
        yield* Console.log(`${key}: ${waiting} wait, at most ${running} at a time`)
      }
      yield* untilDone(Contacts.name)
    })
  )
  const seconds = Duration.toMillis(took) / 1000
  yield* Console.log(`Fetched ${fetched.noisy} of the noisy tenant, ${(fetched.noisy / seconds).toFixed(1)} a second`)
})

main(Effect.scoped(program).pipe(Effect.provide(LinesLive)))
