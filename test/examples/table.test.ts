import { assert, describe, it } from "@effect/vitest"
import { cell, render } from "../../examples/support/table.ts"

const lines = (...all: ReadonlyArray<string>) => all.join("\n")

describe("render", () => {
  const table = { columns: ["id", "state"], rows: [["1", "ReadName"], ["2", ""]] }

  it("aligns what fits", () => {
    assert.strictEqual(
      render(table, 80),
      lines("id | state", "---+---------", "1  | ReadName", "2  |", "(2 rows)")
    )
  })

  it("cuts a long column to fit", () => {
    const text = render({ columns: ["id", "error"], rows: [["1", "x".repeat(100)]] }, 30)
    assert.strictEqual(
      text,
      lines("id | error", `---+-${"-".repeat(25)}`, `1  | ${"x".repeat(24)}…`, "(1 row)")
    )
  })

  it("puts one value a line, in full, when the table is too wide", () => {
    assert.strictEqual(
      render({ columns: ["id", "long name"], rows: [["1", "x".repeat(30)], ["2", "y"]] }, 12),
      lines(
        "-[ row 1 ]---------",
        "id        | 1",
        `long name | ${"x".repeat(30)}`,
        "-[ row 2 ]---------",
        "id        | 2",
        "long name | y",
        "(2 rows)"
      )
    )
  })

  it("keeps the lines of a value with many", () => {
    assert.strictEqual(
      render({ columns: ["error"], rows: [["one\ntwo"]] }, 80),
      lines("-[ row 1 ]-----", "error | one", "      | two", "(1 row)")
    )
  })

  it("has headings without rows", () => {
    assert.strictEqual(render({ columns: ["id"], rows: [] }, 80), lines("id", "--", "(0 rows)"))
  })
})

describe("cell", () => {
  it("shows each kind of value", () => {
    assert.deepStrictEqual([null, 1, 2n, true, "text"].map(cell), ["", "1", "2", "true", "text"])
    assert.strictEqual(cell({ a: [1n] }), "{\"a\":[\"1\"]}")
    assert.strictEqual(cell(new Date(0)), "1970-01-01T00:00:00.000Z")
    assert.strictEqual(cell(Uint8Array.of(1, 255)), "\\x01ff")
  })
})
