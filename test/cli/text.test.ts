import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { type Column, table } from "../../src/cli/output/table.ts"
import { cut, formatDuration, oneLine, pad, printable, widthOf, wrap } from "../../src/cli/output/text.ts"

describe("text for a terminal", () => {
  it("is cut to its width in columns, not in characters", () => {
    assert.strictEqual(cut("abcdef", 6), "abcdef")
    assert.strictEqual(cut("abcdefg", 6), "abcde…")
    assert.strictEqual(cut("接続がタイム", 7), "接続が…")
    assert.strictEqual(cut("接続がタイム", 6), "接続…")
    // A family is one grapheme of five characters.
    assert.strictEqual(cut("👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧", 5), "👩‍👩‍👧👩‍👩‍👧…")
    assert.strictEqual(cut("x", 0), "…")
  })

  it("is cut between characters, however long it is", () => {
    const families = "👩‍👩‍👧é接".repeat(300)
    assert.strictEqual(widthOf(families), 1500)
    for (const width of [64, 255, 256, 257, 1000]) {
      const whole = Math.floor((width - 1) / 5)
      assert.isTrue(cut(families, width).startsWith("👩‍👩‍👧é接".repeat(whole)))
      assert.isAtMost(widthOf(cut(families, width)), width)
      assert.isAtLeast(widthOf(cut(families, width)), width - 1)
    }
    assert.strictEqual(cut(families, 1500), families)
    // A letter with more marks than any part has room for is one column, and no reason to read all that follows.
    const marked = `a${"\u0301".repeat(1000)}`
    assert.strictEqual(widthOf(marked.repeat(3)), 3)
    assert.isAtMost(cut(`${marked}b`, 1).length, 200)
  })

  it("is padded to its width", () => {
    assert.strictEqual(pad("接続", 6, "left"), "接続  ")
    assert.strictEqual(pad("7", 3, "right"), "  7")
    assert.strictEqual(pad("long", 3, "right"), "long")
  })

  it("is wrapped between words", () => {
    assert.deepStrictEqual(wrap("one two three", 7), ["one two", "three"])
    assert.deepStrictEqual(wrap("a longerword b", 5), ["a", "longerword", "b"])
    assert.deepStrictEqual(wrap("", 5), [""])
  })

  it("can't control the terminal", () => {
    assert.strictEqual(oneLine("a\n  caused by: b\tc\r\nd"), "a caused by: b c d")
    assert.strictEqual(oneLine("\u001b[31mred\u0007\u202e"), "\\x1b[31mred\\x07\\x202e")
    assert.strictEqual(oneLine(" a  b \u2028 c\u061c"), " a  b \\x2028 c\\x61c")
    assert.strictEqual(printable("a\r\n\tb\u001b]0;title\u0007"), "a\n  b\\x1b]0;title\\x07")
  })

  it("says durations in two units", () => {
    const texts = { 0: "0s", 400: "0s", 45_000: "45s", 750_000: "12m30s", 7_200_000: "2h", 356_400_000: "4d3h" }
    for (const [millis, text] of Object.entries(texts)) {
      assert.strictEqual(formatDuration(Duration.millis(Number(millis))), text)
    }
    assert.strictEqual(formatDuration(Duration.millis(-5000)), "0s")
  })
})

describe("a table", () => {
  interface Item {
    readonly name: string
    readonly count: number
    readonly text: string
  }
  const columns: ReadonlyArray<Column<Item>> = [
    { title: "NAME", value: ({ name }) => name, min: 4 },
    { title: "COUNT", value: ({ count }) => String(count), align: "right" },
    { title: "TEXT", value: ({ text }) => text, min: 6 }
  ]
  const items = [
    { name: "a", count: 1, text: "short" },
    { name: "接続がタイムアウト", count: 1234, text: "a text that is longer than all the rest of it" }
  ]
  const lines = (width: number) => table(columns, items, { width, bold: (text) => text })

  it("is as wide as it needs, where there is room", () => {
    assert.deepStrictEqual(lines(Infinity), [
      "NAME                COUNT  TEXT",
      "a                       1  short",
      "接続がタイムアウト   1234  a text that is longer than all the rest of it"
    ])
  })

  it("is never wider than there is room", () => {
    for (const width of [19, 25, 30, 40, 50, 60, 70, 80]) {
      for (const line of lines(width)) assert.isAtMost(widthOf(line), width)
    }
    assert.deepStrictEqual(lines(40), [
      "NAME             COUNT  TEXT",
      "a                    1  short",
      "接続がタイムア…   1234  a text that is …"
    ])
  })

  it("keeps what can't be cut, where there is no room at all", () => {
    assert.deepStrictEqual(lines(5)[1], "a         1  short")
  })
})
