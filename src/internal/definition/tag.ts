/** The tag of a state, as its schema says. */
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import { TaskDefinitionError } from "../../TaskError.ts"

/** The literal `_tag` of a state's schema, also of a class or struct with brands, checks or renamed keys. */
const literalTag = (state: unknown): string | undefined => {
  const encoded = Schema.isSchema(state) ? SchemaAST.toEncoded(state.ast) : undefined
  if (encoded === undefined || !SchemaAST.isObjects(encoded)) return undefined
  const tag = encoded.propertySignatures.find((property) => property.name === "_tag")?.type
  return tag !== undefined && SchemaAST.isLiteral(tag) && typeof tag.literal === "string" ? tag.literal : undefined
}

export const tagOf = (state: unknown, role: string): string => {
  const tag = literalTag(state)
  if (tag !== undefined) return tag
  throw new TaskDefinitionError({
    message: `${role} must be a Schema.TaggedClass or Schema.TaggedStruct (a schema whose \`_tag\` is a string literal)`
  })
}
