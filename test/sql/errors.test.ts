/** What the errors of drivers mean: only Postgres's own may park a task. */
import { assert, it } from "@effect/vitest"
import { ConnectionError, SqlError, UnknownError } from "effect/sql/SqlError"
import { codeOf, failureKindOf, isConnectionLost } from "../../src/internal/sql/errors.ts"

const raised = (fields: object) => Object.assign(new Error("it failed"), fields)

const unknown = (fields: object) =>
  new SqlError({ reason: new UnknownError({ cause: raised(fields), message: "Query failed", operation: "query" }) })

const broken = (fields: object) =>
  new SqlError({
    reason: new ConnectionError({ cause: raised(fields), message: "Connection lost", operation: "query" })
  })

it("a code of the operating system is none of Postgres's, even if it has five letters", () => {
  for (const code of ["EPIPE", "EPERM", "ENXIO", "ECONNRESET"]) {
    const error = broken({ code, errno: -32, syscall: "write" })
    assert.isUndefined(codeOf(error))
    assert.strictEqual(failureKindOf(error), "Database")
    assert.isTrue(isConnectionLost(error))
  }
})

it("a code that a user's trigger raises is Postgres's", () => {
  for (const code of ["23505", "P0001", "EPIPE", "MYERR"]) {
    const error = unknown({ code, severity: "ERROR" })
    assert.strictEqual(codeOf(error), code)
    assert.strictEqual(failureKindOf(error), "Data")
  }
})

it("a queue of notifications that is full lasts for a while, a row that is too large does not get smaller", () => {
  const failure = { code: "54000", severity: "ERROR" }
  assert.strictEqual(failureKindOf(unknown({ ...failure, routine: "PreCommit_Notify" })), "Database")
  assert.strictEqual(failureKindOf(unknown({ ...failure, routine: "heap_form_tuple" })), "Data")
})
