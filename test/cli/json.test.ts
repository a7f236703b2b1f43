import { assert, describe, it } from "@effect/vitest"
import { compact, isJson, membersOf, objectOf, pretty, stringify } from "../../src/cli/output/json.ts"

const values = [
  "null",
  "\"text\"",
  "[]",
  "{}",
  "[1,-2.5e-10,true,[{}],[[]]]",
  `{"a":{"b":[],"c":{}},"d,}":"\\\\","e\\"]":["{","\\u20ac"]}`,
  `{"Task":{"State":{"n":1}}}`
]

describe("JSON as text", () => {
  it("is printed as JavaScript does it", () => {
    for (const text of values) {
      const expected = JSON.stringify(JSON.parse(text), undefined, 2).replaceAll("€", "\\u20ac")
      assert.strictEqual(pretty(text), expected)
      assert.strictEqual(compact(expected), text)
    }
  })

  it("keeps numbers and escapes as they were written", () => {
    const text = `{ "n": 9007199254740993, "m" : 1.0 , "e":"\\u20ac", "o": {"x": [0.1e-7,\n 2]} }`
    assert.strictEqual(compact(text), `{"n":9007199254740993,"m":1.0,"e":"\\u20ac","o":{"x":[0.1e-7,2]}}`)
    const members = membersOf(text)
    assert.deepStrictEqual([...members], [
      ["n", "9007199254740993"],
      ["m", "1.0"],
      ["e", "\"\\u20ac\""],
      ["o", `{"x":[0.1e-7,2]}`]
    ])
    assert.strictEqual(objectOf(members), compact(text))
    assert.strictEqual(membersOf(`{"a":1,"a":2}`).get("a"), "2")
    assert.strictEqual(membersOf("{}").size + membersOf("null").size, 0)
  })

  it("is told from other text", () => {
    assert.deepStrictEqual(["1", "{", "", "x"].map(isJson), [true, false, false, false])
  })

  it("can't control a terminal", () => {
    const value = { "\u202e": "a\u009bm \u061c\u200f\u2066\u007f\u2028\u0000", n: [1] }
    for (const indent of [undefined, 2]) {
      const text = stringify(value, indent)
      assert.match(text, /^[\x20-\x7e\n]+$/)
      assert.deepStrictEqual(JSON.parse(text), value)
    }
  })
})
