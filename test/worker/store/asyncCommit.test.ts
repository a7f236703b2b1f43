/** Which commits wait for the disk: a trigger notes the setting under which each outcome is stored. */
import { assert } from "@effect/vitest"
import { DateTime, Effect, Schema } from "effect"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { start, workerTests } from "../../support/worker/Fixture.ts"
import { empty, parked, run } from "../../support/worker/Table.ts"

const how = ["now", "delay", "at", "end", "commit", "retried", "parked"] as const

/** How each step of a task ends, and the tag of the state that follows. */
const Todo = Schema.Array(Schema.Struct({ how: Schema.Literals(how), to: Schema.Literals(["Fast", "Plain"]) }))

class Fast extends Schema.TaggedClass<Fast>()("Fast", { name: Schema.String, todo: Todo }) {}
class Plain extends Schema.TaggedClass<Plain>()("Plain", { name: Schema.String, todo: Todo }) {}

type Todo = typeof Todo.Type

const next = [Fast, Plain] as const

const handler = Effect.fnUntraced(function*({ name, todo: [first, ...todo] }: Fast | Plain) {
  const { attempt } = yield* Step.Context
  const { how, to } = first!
  const state = to === "Fast" ? new Fast({ name, todo }) : new Plain({ name, todo })
  switch (how) {
    case "now":
      return NextStep.now(state)
    case "delay":
      return NextStep.delay(state, "1 milli")
    case "at":
      return NextStep.at(state, yield* DateTime.now)
    case "end":
      return NextStep.none
    case "commit":
      return NextStep.noneWith({ commit: Effect.void })
    case "retried":
      return attempt === 1 ? yield* Effect.fail("again") : NextStep.now(state)
    case "parked":
      return yield* Effect.fail("for good")
  }
})

const retries = { retryLimit: 1, retryDelay: "1 milli" } as const

const Mixed = Task.make("Mixed", [
  Step.make(Fast, { next, handler, ...retries, asyncCommit: true }),
  Step.make(Plain, { next, handler, ...retries })
])

/** Notes each change that ends an attempt: `Fast now Fast off`. */
const noteCommits = Effect.acquireRelease(
  Effect.gen(function*() {
    yield* run("create table stored (step text, setting text)")
    yield* run(`create function note() returns trigger language plpgsql as $$ begin
      insert into stored values (old.step, current_setting('synchronous_commit')); return null; end $$`)
    for (const event of ["update", "delete"]) {
      yield* run(`create trigger note_${event} after ${event} on pg_task for each row when (old.is_running)
        execute function note()`)
    }
  }),
  () => Effect.orDie(Effect.andThen(run("drop function note cascade"), run("drop table stored")))
)

interface Stored {
  readonly name: string
  readonly from: string
  readonly how: string
  readonly to: string
  readonly setting: string
}

const parse = ({ setting, step }: { readonly step: string; readonly setting: string }): Stored => {
  const [[from, { name, todo }]] = Object.entries(JSON.parse(step).Mixed) as [[string, { name: string; todo: Todo }]]
  return { name, from, how: todo[0]!.how, to: todo[0]!.to, setting }
}

const stored = Effect.map(
  run<{ readonly step: string; readonly setting: string }>("select * from stored"),
  (rows) => rows.map(parse)
)

const fast = (how: Todo[number]["how"]) => ({ how, to: "Fast" }) as const
const plain = (how: Todo[number]["how"]) => ({ how, to: "Plain" }) as const

workerTests("the commit of an outcome", (test) => {
  const lives: ReadonlyArray<readonly [what: string, todo: Todo, found: ReadonlyArray<string>]> = [
    [
      "does not wait for the disk if both the step and the next one have `asyncCommit`, or if the task is done",
      [fast("now"), fast("delay"), fast("at"), fast("end")],
      ["Fast now off", "Fast delay off", "Fast at off", "Fast end off"]
    ],
    [
      "waits for the disk if the next step does not have it",
      [plain("now"), fast("now"), plain("delay"), fast("now"), plain("at"), fast("end")],
      ["Fast now on", "Plain now on", "Fast delay on", "Plain now on", "Fast at on", "Plain end on"]
    ],
    [
      "waits for the disk if the step has failed",
      [fast("retried"), fast("end")],
      ["Fast retried on", "Fast retried off", "Fast end off"]
    ],
    [
      "waits for the disk if there is a `commit`, whose type may not have shown it",
      [fast("now"), fast("commit")],
      ["Fast now off", "Fast commit on"]
    ]
  ]
  for (const [what, todo, found] of lives) {
    test(
      what,
      Effect.gen(function*() {
        yield* noteCommits
        yield* start({ tasks: [Mixed] })
        yield* Mixed.enqueue(new Fast({ name: "one", todo }))
        yield* empty
        assert.deepStrictEqual((yield* stored).map(({ from, how, setting }) => `${from} ${how} ${setting}`), found)
      })
    )
  }

  test(
    "waits for the disk if the task is parked",
    Effect.gen(function*() {
      yield* noteCommits
      yield* start({ tasks: [Mixed] })
      yield* parked(yield* Mixed.enqueue(new Fast({ name: "one", todo: [fast("parked")] })))
      assert.deepStrictEqual((yield* stored).map(({ setting }) => setting), ["on", "on"])
    })
  )

  test(
    "waits or does not wait, each for itself, where many outcomes of both kinds come together",
    Effect.gen(function*() {
      yield* noteCommits
      const count = 200
      const todo = (kind: typeof fast | typeof plain) => [kind("now"), kind("delay"), kind("now"), kind("end")]
      const states = Array.from({ length: count }, (_, n) =>
        n % 2 === 0
          ? new Fast({ name: `${n}`, todo: todo(fast) })
          : new Plain({ name: `${n}`, todo: todo(plain) }))
      yield* Mixed.enqueueAll(states)
      yield* start({ tasks: [Mixed] })
      yield* empty
      const all = yield* stored
      assert.lengthOf(all, 4 * count)
      assert.deepStrictEqual(all.filter(({ from, setting }) => setting !== (from === "Fast" ? "off" : "on")), [])
    })
  )
})
