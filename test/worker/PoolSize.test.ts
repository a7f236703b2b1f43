import { assert } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { NextStep } from "../../src/index.ts"
import { client } from "../support/Database.ts"
import { Job, jobs, start, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import * as Logs from "../support/worker/Logs.ts"
import { gone } from "../support/worker/Table.ts"

workerTests("several workers on one client", (test) => {
  test(
    "leave it a connection, however many they are",
    Effect.gen(function*() {
      const logs = Logs.capture()
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      yield* Effect.gen(function*() {
        for (let n = 0; n < 3; n++) yield* start({ tasks: [Jobs], pollInterval: "200 millis" })
      }).pipe(
        Effect.provide(yield* Layer.build(client(yield* urlOfTest, { maxConnections: 2 }))),
        Effect.provide(logs.layer)
      )
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
      assert.lengthOf(logs.find("no connection to spare"), 2)
    })
  )
})
