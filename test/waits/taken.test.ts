/** A signal that was taken leaves the inbox once, however often its outcome is sent to the database. */
import { assert } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { NextStep, Step, Task } from "../../src/index.ts"
import { makeGate, start, startWith, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import { lockingRows } from "../support/worker/Locks.ts"
import { makeNetwork } from "../support/worker/Network.ts"
import { gone, rowWhere, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

class Listen extends Schema.TaggedClass<Listen>()("Listen", { heard: Schema.Array(Schema.String) }) {}
class Note extends Schema.TaggedClass<Note>()("Note", { heard: Schema.Array(Schema.String) }) {}
class Word extends Schema.TaggedClass<Word>()("Word", { word: Schema.String }) {}

/** Hears three words, and says which. */
const makeWords = (options: { readonly transactional: boolean; readonly enter: Effect.Effect<unknown> }) => {
  let said: ReadonlyArray<string> = []
  const Words = Task.make("Words", [
    Step.wait(Listen, (on) => [
      on(Word, {
        next: [Note],
        transactional: options.transactional,
        handler: ({ heard }, { word }) => Effect.as(options.enter, NextStep.now(new Note({ heard: [...heard, word] })))
      })
    ]),
    Step.make(Note, {
      next: [Listen],
      handler: ({ heard }) =>
        Effect.sync(() => {
          said = heard
          return heard.length === 3 ? NextStep.none : NextStep.now(new Listen({ heard }))
        })
    })
  ])
  return { Words, said: () => said }
}

/** Outcomes that have waited for a lock for more than 200 milliseconds. */
const waitingForLocks = run(
  `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%json_to_recordset%'
    and datname = current_database() and query_start < clock_timestamp() - interval '200 milliseconds'`
)

const words = ["one", "two", "three"]

const enqueued = ({ Words }: ReturnType<typeof makeWords>) =>
  Effect.gen(function*() {
    const id = yield* Words.enqueue(new Listen({ heard: [] }))
    yield* Effect.forEach(words, (word) => Words.signal(id, new Word({ word })))
    return id
  })

workerTests("a signal that was taken", (test) => {
  test(
    "takes no other one with it when the answer to its outcome is lost",
    Effect.gen(function*() {
      const task = makeWords({ transactional: false, enter: Effect.void })
      const id = yield* enqueued(task)
      const network = yield* makeNetwork(yield* urlOfTest)
      yield* network.mend
      const sent = yield* network.loseAnswer("json_to_recordset")
      yield* startWith(network.url, { tasks: [task.Words], lease: "5 minutes", pollInterval: "200 millis" })
      yield* sent
      yield* rowWhere(id, ({ transitions }) => transitions === 1)
      yield* Effect.andThen(network.cut, network.mend)
      yield* gone(id)
      assert.deepStrictEqual(task.said(), words)
    })
  )

  test(
    "takes no other one with it when its transaction has waited for a lock, and renews its lease",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const task = makeWords({ transactional: true, enter: gate.enter("word") })
      const id = yield* enqueued(task)
      yield* start({ tasks: [task.Words], lease: "1 second" })
      yield* gate.next
      const release = yield* lockingRows
      yield* gate.open
      // The transaction renews the lease once more if the lock took more than a sixth of it.
      yield* eventually(waitingForLocks, (found) => found.length > 0)
      yield* release
      yield* gone(id)
      assert.deepStrictEqual(task.said(), words)
    })
  )
})
