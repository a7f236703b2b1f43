/** A task to look at, and rows of it. Also the module that `pg-task --module` is given. */
import { Effect, Schema } from "effect"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { run } from "../worker/Table.ts"

export class ReadName
  extends Schema.TaggedClass<ReadName>()("ReadName", { filename: Schema.String.check(Schema.isMaxLength(9)) })
{}
export class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { at: Schema.DateTimeUtcFromString }) {}

export const Greeter = Task.make("Greeter", [
  Step.make(ReadName, { next: [SayHello], handler: () => Effect.succeed(NextStep.none) }),
  Step.make(SayHello, { handler: () => Effect.succeed(NextStep.none) })
])

export const readName = (filename: string) => JSON.stringify({ Greeter: { ReadName: { filename } } })

/** An id that no task has. */
export const nobody = "00000000-0000-4000-8000-000000000000"

/** Rows of every status; `which` tells them apart. */
export const insertEach = Effect.gen(function*() {
  const insertOne = (which: string, columns: Record<string, string>) =>
    Effect.map(
      run<{ id: string }>(
        `insert into pg_task (step, ${Object.keys(columns).join(", ")})
values ($1, ${Object.values(columns).join(", ")}) returning id::text`,
        [readName(which)]
      ),
      (rows) => rows[0]!.id
    )
  const lease = { is_running: "true", lease_token: "gen_random_uuid()", lease_until: "now() + interval '1 hour'" }
  return {
    ready: yield* insertOne("ready", { wakeup_at: "now() - interval '1 minute'" }),
    scheduled: yield* insertOne("scheduled", { wakeup_at: "now() + interval '1 hour'", tried: "2" }),
    running: yield* insertOne("running", { wakeup_at: "now() - interval '2 minutes'", ...lease }),
    parked: yield* insertOne("parked", {
      wakeup_at: "now() - interval '3 minutes'",
      tried: "3",
      crashes: "1",
      error: "'HttpError: 100% of it\n  caused by: Timeout'",
      updated_at: "now() - interval '2 hours'"
    })
  }
})
