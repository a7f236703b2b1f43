/** What a schema masks is on no page, wherever in the state it is. */
import { assert } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Dashboard from "../../src/Dashboard.ts"
import { NextStep, Step, Task } from "../../src/index.ts"
import { insert, play } from "../support/dashboard/Fixture.ts"
import { postAs, request } from "../support/dashboard/Request.ts"
import { as, serve } from "../support/dashboard/Server.ts"
import { rawOf } from "../support/dashboard/Shop.ts"
import { workerTests } from "../support/worker/Fixture.ts"
import { row } from "../support/worker/Table.ts"

const Card = Schema.Struct({ owner: Schema.String, number: Dashboard.masked(Schema.String) })

class Account extends Schema.Class<Account>("Account")({ pin: Dashboard.masked(Schema.String) }) {}

interface Folder {
  readonly key: string
  readonly folders: ReadonlyArray<Folder>
}
const Folder: Schema.Codec<Folder> = Schema.Struct({
  key: Dashboard.masked(Schema.String),
  folders: Schema.Array(Schema.suspend((): Schema.Codec<Folder> => Folder))
})

const deep = Schema.Struct({ b: Schema.Struct({ c: Schema.Struct({ d: Schema.Struct({ e: Card }) }) }) })

/** Each holds the secret somewhere. */
const fields = {
  text: Dashboard.masked(Schema.String),
  group: Card,
  nullable: Schema.NullOr(Card),
  list: Schema.Array(Card),
  lists: Schema.Array(Schema.Array(Card)),
  pair: Schema.Tuple([Schema.String, Card]),
  either: Schema.Union([Card, Schema.String]),
  byName: Schema.Record(Schema.String, Card),
  accounts: Schema.Array(Account),
  account: Account,
  folder: Folder,
  folders: Schema.Array(Folder),
  deep,
  unfit: Card
}

class Pay extends Schema.TaggedClass<Pay>()("Pay", { amount: Schema.Int, ...fields }) {}

const Payment = Task.make("Payment", [Step.make(Pay, { handler: () => Effect.succeed(NextStep.none) })])

const secret = "s3cr3t"
const card = { owner: "ada", number: secret }
const folder = { key: secret, folders: [{ key: secret, folders: [] }] }

const stored = {
  amount: 1,
  text: secret,
  group: card,
  nullable: card,
  list: [card],
  lists: [[card]],
  pair: ["x", card],
  either: card,
  byName: { visa: card },
  accounts: [{ pin: secret }],
  account: { pin: secret },
  folder,
  folders: [folder],
  deep: { b: { c: { d: { e: card } } } },
  unfit: card
}

workerTests("masks", (test) => {
  test(
    "hide a field on the page of a task and in its form, in lists, unions, records and deep structs, too",
    Effect.gen(function*() {
      const url = yield* serve({ tasks: [Payment], access: as("ada", "write") })
      // The second one does not fit its schema.
      for (const more of [{}, { unfit: [card], group: secret }]) {
        const id = yield* insert(rawOf("Pay", { ...stored, ...more }, "Payment"), { error: "'Error: x'" })
        for (const page of [`row?id=${id}`, `edit?id=${id}`]) {
          const answer = yield* request(`${url}${page}`)
          assert.strictEqual(answer.status, 200)
          const text = yield* play(() => answer.text())
          assert.include(text, "amount")
          assert.notInclude(text, secret, page)
        }
      }
    })
  )

  test(
    "keep what is stored when a form is saved",
    Effect.gen(function*() {
      const url = yield* serve({ tasks: [Payment], access: as("ada", "write") })
      const raw = rawOf("Pay", stored, "Payment")
      const id = yield* insert(raw, { error: "'Error: x'" })
      // A browser sends a field that was left empty.
      const form = { id, state: "Pay", transitions: "0", "f/amount": "2", "f/text": "", "f/group/owner": "grace" }
      const owners = { "f/nullable/owner": "ada", "m/nullable": "value", "f/unfit/owner": "ada" }
      const answer = yield* postAs(url, "edit", { ...form, ...owners })
      assert.strictEqual(answer.status, 303, yield* play(() => answer.text()))
      const saved: unknown = JSON.parse((yield* row(id))!.step)
      const wanted = { ...stored, amount: 2, group: { ...card, owner: "grace" } }
      assert.deepStrictEqual(saved, { Payment: { Pay: wanted } })
    })
  )
})
