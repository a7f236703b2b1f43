/** What was sent with a form, checked by its schema: field by field. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { codecOf, type Tagged } from "./fields.ts"
import { type Content, pathOf } from "./render.ts"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** A number's schema also accepts the texts that stand for infinity and NaN. They would only confuse readers. */
const plain = (message: string) => message.replaceAll(/(?:number \| )?"Infinity" \| "-Infinity" \| "NaN"/g, "number")

/** What is wrong with each field. */
const wrongOf = (error: Schema.SchemaError): Content["wrong"] => {
  const wrong = new Map<string, ReadonlyArray<string>>()
  for (const { message, path = [] } of format(error.issue).issues) {
    const at = path.reduce<string>((sum, key) => pathOf(sum, String(typeof key === "object" ? key.key : key)), "")
    wrong.set(at, [...wrong.get(at) ?? [], plain(message)])
  }
  return wrong
}

/**
 * The decoded value, or what is wrong with each field. What a schema needs to decode it must be in the context of the
 * dashboard.
 */
export const decodeAs = (schema: Tagged, tag: string, values: Content["values"]) =>
  Schema.decodeUnknownEffect(codecOf(schema), { errors: "all" })({ ...values, _tag: tag }).pipe(
    Effect.mapError(wrongOf)
  )
