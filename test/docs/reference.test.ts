/**
 * The API reference shows every export as a user sees it, and refuses what isn't documented.
 */
import { assert, describe, it } from "@effect/vitest"
import { type Module, readModules, toModule } from "../../.ci/reference/modules.ts"
import { renderPages } from "../../.ci/reference/page.ts"
import { parseSource } from "../../.ci/reference/source.ts"
import * as Dashboard from "../../src/Dashboard.ts"
import * as Root from "../../src/index.ts"
import * as Testing from "../../src/testing/index.ts"

const moduleOf = (text: string): Module => toModule("Clocks", "clocks", parseSource("src/Clocks.ts", text))

const pageOf = (text: string): string => renderPages([moduleOf(text)], () => "").get("Clocks.md")!

const tags = (category: string) => ` * @category ${category}\n * @since 0.1.0\n */`

describe("the API reference", () => {
  it("has every public module, and every export of it", () => {
    const modules = { ...Root, ...Testing, Dashboard }
    assert.sameMembers(readModules().map(({ name }) => name), Object.keys(modules))
    for (const { entries, hidden, name } of readModules()) {
      const shown = entries.map((entry) => entry.name)
      const exported = Object.keys(modules[name as keyof typeof modules]).filter((each) => !each.endsWith("TypeId"))
      assert.includeMembers(shown, exported, name)
      assert.isEmpty(hidden.filter((type) => shown.includes(type.name)), name)
    }
  })

  it.each([
    ["no comment", `/** Clocks. */\nexport const a: string = ""`, "a description, a @category, a @since"],
    ["no description", `/** Clocks. */\n/**\n${tags("models")}\nexport type A = 1`, "a description"],
    ["no category", `/** Clocks. */\n/** A.\n * @since 0.1.0 */\nexport type A = 1`, "a @category"],
    ["no since", `/** Clocks. */\n/** A.\n * @category models */\nexport type A = 1`, "a @since"],
    [
      "no example of a constructor",
      `/** Clocks. */\n/** A.\n${tags("constructors")}\nexport const a = (): void => {}`,
      "an @example"
    ],
    ["no comment on the module", `export {}`, "the module has no doc comment"],
    ["an unknown tag", `/** Clocks.\n * @sinse 0.1.0 */\nexport {}`, "unknown tag @sinse"],
    ["a link to nowhere", `/** Clocks. {@link tick} */\nexport {}`, "{@link tick} leads nowhere"],
    ["a value without a type", `/** Clocks. */\n/** A.\n${tags("models")}\nexport const a = f()`, "without a type"],
    [
      "a function without a return type",
      `/** Clocks. */\n/** A.\n${tags("models")}\nexport const a = () => 1`,
      "without a return type"
    ]
  ])("refuses %s", (_, text, message) => {
    assert.throws(() => pageOf(text), message)
  })

  it("shows signatures without implementations, type ids and compile-time checks", () => {
    const page = pageOf(`/** Clocks: {@link make}. Not {@link Clock}. */
/** Marks clocks.
${tags("type ids")}
export const TypeId: "~Clock" = "~Clock"

/** How a clock is set. */
interface Setting { readonly hour: number }

/**
 * Makes a {@link Clock} for \`T\`, a \`Clock\`.
 *
 * @example
 * \`\`\`ts
 * // @since is no tag here, and {@link nothing} no link
 * make()
 * \`\`\`
${tags("constructors")}
export const make = <T extends number>(setting: Setting & CheckSetting<T>, ticks: number = 60): Clock => {
  throw new Error("secret")
}

/**
 * A clock.
 *
${tags("models")}
export interface Clock {
  readonly [TypeId]: string
  /** Since midnight, as {@link make} was told. */
  readonly seconds: number
}
`)
    assert.include(page, "Clocks: [`make`](#make). Not [`Clock`](#clock).")
    assert.include(page, "Makes a [`Clock`](#clock) for `T`, a [`Clock`](#clock).")
    assert.include(page, "declare const make: <T extends number>(setting: Setting, ticks?: number) => Clock\n")
    assert.include(page, "// @since is no tag here, and {@link nothing} no link\nmake()")
    assert.include(page, "/** Since midnight, as `make` was told. */\n  readonly seconds: number")
    assert.include(page, "### Setting\n\nHow a clock is set.\n\n```ts signature\ninterface Setting {")
    assert.notMatch(page, /TypeId|secret|CheckSetting/)
  })

  it("numbers headings that are the same, and tells a type from a value of its name", () => {
    const page = pageOf(`/** {@link Clocks} of {@link clocks}. */
/** Its schema: {@link Clocks}.
${tags("schemas")}
export const Clocks: Schema = {}

/** Not the \`Clocks\` of others.
${tags("models")}
export type Clocks = 1

/** Many.
${tags("constants")}
export const clocks: number = 1
`)
    assert.include(page, "[`Clocks`](#clocks-type) of [`clocks`](#clocks-2).")
    assert.include(page, "### Clocks (type)\n\nNot the `Clocks` of others.")
    assert.include(page, "Its schema: [`Clocks`](#clocks-type).")
  })
})
