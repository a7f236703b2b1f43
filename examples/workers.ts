/**
 * `npm run workers`: two workers in one program. Reports are slow, and run one at a time. Mails are quick, and run many
 * at a time. With one worker for both, the reports could take all its slots, and the mails would wait for them.
 */
import { Console, Deferred, Effect, Layer, Schema } from "effect"
import { Migrations, NextStep, Step, Task, Worker } from "effect-pg-task"
import { main } from "./support/database.ts"
import { LinesLive } from "./support/lines.ts"
import { untilDone } from "./support/rows.ts"

class Report extends Schema.TaggedClass<Report>()("Report", { month: Schema.String }) {}
class Mail extends Schema.TaggedClass<Mail>()("Mail", { to: Schema.String }) {}

/** Lets a report take as long as the mails need. */
const mailsSent = Deferred.makeUnsafe<void>()

const Reports = Task.make("Reports", [
  Step.make(Report, {
    handler: Effect.fnUntraced(function*({ month }) {
      yield* Console.log(`Report of ${month}: begun`)
      yield* Deferred.await(mailsSent)
      yield* Console.log(`Report of ${month}: done`)
      return NextStep.none
    })
  })
])

const Mails = Task.make("Mails", [
  Step.make(Mail, { handler: ({ to }) => Console.log(`Mail to ${to}: sent`).pipe(Effect.as(NextStep.none)) })
])

// They stop at the same time. Made one after the other in one scope, they would stop one after the other.
const WorkersLive = Layer.mergeAll(
  Layer.effectDiscard(Worker.make({ tasks: [Reports], concurrency: 1 })),
  Layer.effectDiscard(Worker.make({ tasks: [Mails], concurrency: 20 }))
)

const program = Effect.gen(function*() {
  yield* Reports.enqueueAll(["May", "June"].map((month) => new Report({ month })))
  yield* Mails.enqueueAll(["Ada", "Grace", "Edsger"].map((to) => new Mail({ to })))
  yield* untilDone(Mails.name)
  yield* Console.log("All mails are sent, while the first report has not ended")
  yield* Deferred.succeed(mailsSent, undefined)
  yield* untilDone(Reports.name)
})

main(
  Effect.andThen(Migrations.run, program.pipe(Effect.provide(WorkersLive))).pipe(Effect.provide(LinesLive))
)
