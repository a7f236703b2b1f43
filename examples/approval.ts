/**
 * `npm run approval`: an order waits for its manager, is followed by a reminder, and is refused at its deadline. While
 * it waits it is one row at rest: it would wait as well for three days, through restarts and deploys.
 */
import { Console, DateTime, Duration, Effect, Queue, Schema } from "effect"
import { Migrations, NextStep, Step, Task, Worker } from "effect-pg-task"
import { main } from "./support/database.ts"
import { LinesLive } from "./support/lines.ts"

const about = { order: Schema.String, remindAfter: Schema.Duration, deadline: Schema.DateTimeUtc }

class Place extends Schema.TaggedClass<Place>()("Place", about) {}
class AwaitApproval extends Schema.TaggedClass<AwaitApproval>()("AwaitApproval", {
  ...about,
  isReminded: Schema.Boolean
}) {}
class Shipped extends Schema.TaggedClass<Shipped>()("Shipped", { order: Schema.String }) {}
class Refused extends Schema.TaggedClass<Refused>()("Refused", { order: Schema.String, why: Schema.String }) {}

/** The signals: what the manager may answer. */
class Approved extends Schema.TaggedClass<Approved>()("Approved", { by: Schema.String }) {}
class Rejected extends Schema.TaggedClass<Rejected>()("Rejected", { why: Schema.String }) {}

interface Mail {
  readonly order: string
  readonly isReminder: boolean
}

/** Mails to the manager. */
const mails = Effect.runSync(Queue.unbounded<Mail>())

const send = (mail: Mail) =>
  Effect.andThen(
    Console.log(`${mail.order}: a ${mail.isReminder ? "reminder" : "mail"} to the manager`),
    Queue.offer(mails, mail)
  )

const Order = Task.make("Order", [
  Step.make(Place, {
    next: [AwaitApproval],
    handler: ({ deadline, order, remindAfter }) =>
      Effect.as(
        send({ order, isReminder: false }),
        NextStep.now(new AwaitApproval({ order, remindAfter, deadline, isReminded: false }))
      )
  }),
  Step.wait(AwaitApproval, (on) => [
    on(Approved, {
      next: [Shipped],
      handler: ({ order }, { by }) =>
        Effect.as(Console.log(`${order}: approved by ${by}`), NextStep.now(new Shipped({ order })))
    }),
    on(Rejected, {
      next: [Refused],
      handler: ({ order }, { why }) => Effect.succeed(NextStep.now(new Refused({ order, why })))
    }),
    // First the reminder, then the deadline. After the reminder the task waits in the same state again.
    on.timeout(({ deadline, isReminded, remindAfter }) => isReminded ? deadline : remindAfter, {
      next: [AwaitApproval, Refused],
      handler: Effect.fnUntraced(function*({ deadline, isReminded, order, remindAfter }) {
        if (isReminded) return NextStep.now(new Refused({ order, why: "nobody answered" }))
        yield* send({ order, isReminder: true })
        return NextStep.now(new AwaitApproval({ order, remindAfter, deadline, isReminded: true }))
      })
    })
  ]),
  Step.final(Shipped, { keep: "7 days" }),
  Step.final(Refused, { keep: "7 days" })
], { entry: [Place] })

/** Approves tea at once, coffee only after a reminder, and never answers mails about cocoa. */
const manager = Effect.gen(function*() {
  const { isReminder, order } = yield* Queue.take(mails)
  const isApproved = order === "tea" || (order === "coffee" && isReminder)
  // The order's key says which task it is. A web server would do the same when somebody clicks on "approve".
  if (isApproved) yield* Order.signalByKey(order, new Approved({ by: "Ada" }))
}).pipe(Effect.forever)

const place = Effect.fnUntraced(function*(order: string, remindAfter: Duration.Input, deadline: Duration.Input) {
  const placed = new Place({
    order,
    remindAfter: Duration.fromInputUnsafe(remindAfter),
    deadline: DateTime.addDuration(yield* DateTime.now, deadline)
  })
  const end = yield* Order.execute(placed, { key: order })
  yield* Console.log(end._tag === "Shipped" ? `${order}: shipped` : `${order}: refused, for ${end.why}`)
})

const program = Effect.gen(function*() {
  yield* Effect.forkScoped(manager)
  yield* Effect.all([
    place("tea", "3 days", "7 days"),
    place("coffee", "1 second", "7 days"),
    place("cocoa", "1 second", "2 seconds")
  ], { concurrency: "unbounded" })
})

main(
  Effect.andThen(Migrations.run, Effect.scoped(program).pipe(Effect.provide(Worker.layer({ tasks: [Order] })))).pipe(
    Effect.provide(LinesLive)
  )
)
