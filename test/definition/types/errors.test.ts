import { assert, beforeAll, describe, it } from "@effect/vitest"
import { type At, compile, differences, expected, fixtures, parse } from "../../support/types/typeErrors.ts"

describe("compile errors", () => {
  let found: ReadonlyArray<At> = []
  beforeAll(async () => {
    found = await compile()
  })

  it.each(fixtures)("in %s are those that it names, and no others", (file) => {
    assert.isNotEmpty(expected(file))
    assert.deepStrictEqual(differences(expected(file), found.filter((error) => error.file === file)), [])
  })

  it("are nowhere else", () => {
    assert.deepStrictEqual(found.filter((error) => !fixtures.includes(error.file)), [])
  })
})

describe("the comparison", () => {
  const output = "a.ts(2,3): error TS2322: One.\n  Two.\na.ts(5,1): error TS1: Three."

  it("takes a message with all its lines", () => {
    assert.deepStrictEqual(parse(output), [
      { file: "a.ts", line: 2, message: "TS2322: One.\n  Two." },
      { file: "a.ts", line: 5, message: "TS1: Three." }
    ])
  })

  it("tells what is missing, and what is too much", () => {
    const expectations = [{ file: "a.ts", line: 2, message: "Two" }, { file: "a.ts", line: 3, message: "Four" }]
    assert.deepStrictEqual(differences(expectations, parse(output)), [
      "line 3 should fail with: Four",
      "line 5 fails with: TS1: Three."
    ])
  })
})
