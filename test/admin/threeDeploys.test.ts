/**
 * A task of two steps in three deploys: the first state is renamed and reshaped, then it is split. Rows of each build are
 * in flight at each deploy. As the guide on rolling deploys says it.
 */
import { assert } from "@effect/vitest"
import { Effect, Queue, Schema } from "effect"
import { Deploy, NextStep, Step, Task } from "../../src/index.ts"
import { closed, startApart, workerTests } from "../support/worker/Fixture.ts"
import { empty, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

class Read extends Schema.TaggedClass<Read>()("Read", { file: Schema.String }) {}
class ReadIn extends Schema.TaggedClass<ReadIn>()("ReadIn", { dir: Schema.String, name: Schema.String }) {}
class Open extends Schema.TaggedClass<Open>()("Open", { path: Schema.String }) {}
class Parse extends Schema.TaggedClass<Parse>()("Parse", { path: Schema.String, text: Schema.String }) {}
class Greet extends Schema.TaggedClass<Greet>()("Greet", { text: Schema.String }) {}

const builds = (greeted: Queue.Queue<string>) => {
  const greet = Step.make(Greet, { handler: ({ text }) => Effect.as(Queue.offer(greeted, text), NextStep.none) })
  const toGreet = (text: string) => NextStep.delay(new Greet({ text }), "1 hour")
  return {
    first: Task.make("Reader", [
      Step.make(Read, { next: [Greet], handler: ({ file }) => Effect.succeed(toGreet(`${file} read`)) }),
      greet
    ]),
    renamed: Task.make("Reader", [
      Step.make(ReadIn, {
        next: [Greet],
        from: [Step.former(Read, ({ file }) => new ReadIn({ dir: ".", name: file }))],
        handler: ({ dir, name }) => Effect.succeed(toGreet(`${dir}/${name} read in`))
      }),
      greet
    ]),
    split: Task.make("Reader", [
      Step.make(Open, {
        next: [Parse],
        from: [
          Step.former(ReadIn, ({ dir, name }) => new Open({ path: `${dir}/${name}` })),
          Step.former(Read, ({ file }) => new ReadIn({ dir: ".", name: file }))
        ],
        handler: ({ path }) => Effect.succeed(NextStep.now(new Parse({ path, text: "opened" })))
      }),
      Step.make(Parse, {
        next: [Greet],
        handler: ({ path, text }) => Effect.succeed(toGreet(`${path} ${text} and parsed`))
      }),
      greet
    ])
  }
}

const hurry = (state: string, rows: number) =>
  run(
    `update pg_task set wakeup_at = now() where id in (
      select id from pg_task where state = $1 and wakeup_at > now() + interval '1 minute' order by created_at limit $2)`,
    [state, rows]
  )

workerTests("a task in three deploys", (test) => {
  test(
    "is checked before each, parks nothing, and each row ends as the build that ran its step says",
    Effect.gen(function*() {
      const greeted = yield* Queue.unbounded<string>()
      const { first, renamed, split } = builds(greeted)
      /** The check, then the build. It works off what is due. */
      const deploy = Effect.fnUntraced(function*(build: Task.Any<never>, formers: ReadonlyArray<number>) {
        const report = yield* Deploy.check(build)
        assert.deepStrictEqual(report.unfit, [])
        assert.deepStrictEqual(report.formers.map(({ count }) => count), formers)
        return yield* startApart({ tasks: [build] })
      })
      const file = (name: string) => `{"Reader":{"Read":{"file":"${name}"}}}`
      for (const name of ["a", "b", "c"]) {
        yield* run("insert into pg_task (step, wakeup_at) values ($1, now() + interval '1 hour')", [file(name)])
      }
      const one = yield* deploy(first, [])
      yield* hurry("Read", 1)
      yield* inState("Greet", 1)
      const two = yield* deploy(renamed, [2])
      yield* closed(one)
      yield* renamed.delay(new ReadIn({ dir: "d", name: "d" }), "1 hour")
      yield* hurry("Read", 1)
      yield* inState("Greet", 2)
      const three = yield* deploy(split, [1, 1])
      yield* closed(two)
      yield* hurry("Read", 1)
      yield* hurry("ReadIn", 1)
      yield* inState("Greet", 4)
      yield* hurry("Greet", 4)
      yield* empty
      yield* closed(three)
      assert.deepStrictEqual((yield* Queue.clear(greeted)).toSorted(), [
        "./b read in",
        "./c opened and parsed",
        "a read",
        "d/d opened and parsed"
      ])
    })
  )
})

const inState = (state: string, rows: number) =>
  eventually(
    run<{ parked: boolean }>("select error is not null as parked from pg_task where state = $1", [state]),
    (found) => found.length === rows && found.every(({ parked }) => !parked)
  )
