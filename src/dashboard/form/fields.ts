/** What a state's schema says of its fields, as they are stored: enough for a form, and for what must not be shown. */
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type * as Task from "../../Task.ts"

/** A value of JSON that a select offers. */
export type Choice = string | number | boolean

/** How a value is edited. */
export type Control =
  | { readonly kind: "text" | "number" | "json" }
  | { readonly kind: "choice"; readonly choices: ReadonlyArray<Choice> }
  | { readonly kind: "object"; readonly fields: ReadonlyArray<Field> }

export interface Field {
  readonly name: string
  readonly title: string
  readonly hint: string | undefined
  readonly control: Control
  /** It may be left out. */
  readonly optional: boolean
  readonly nullable: boolean
  /** Its value is never shown. */
  readonly masked: boolean
}

/** The annotation that masks a field: `Dashboard.masked` sets it. */
export const maskAnnotation = "effect-pg-task/masked"

type AST = SchemaAST.AST

/** A schema, and what it is encoded through, one stage after the other. */
const stagesOf = (ast: AST): ReadonlyArray<AST> => [ast, ...(ast.encoding ?? []).flatMap(({ to }) => stagesOf(to))]

const isRedacted = ({ annotations }: AST): boolean => {
  const representation = annotations?.["representation"] as { readonly id?: unknown } | undefined
  return typeof representation?.id === "string" && representation.id.endsWith("Redacted")
}

const partsOf = (ast: AST): ReadonlyArray<AST> =>
  SchemaAST.isUnion(ast)
    ? ast.types
    : SchemaAST.isArrays(ast)
    ? [...ast.elements, ...ast.rest]
    : SchemaAST.isObjects(ast)
    ? ast.indexSignatures.map(({ type }) => type)
    : SchemaAST.isDeclaration(ast)
    ? ast.typeParameters
    : SchemaAST.isSuspend(ast)
    ? [ast.thunk()]
    : []

const propertiesOf = (ast: AST): ReadonlyArray<AST> =>
  SchemaAST.isObjects(ast) ? ast.propertySignatures.map(({ type }) => type) : []

/**
 * Whether a schema, or what its values are made of, is masked. Fields of structs are masked one by one, where they are
 * edited one by one: so they count only if `whole`.
 */
const isMasked = (ast: AST, whole = false, seen = new Set<AST>()): boolean => {
  if (seen.has(ast)) return false
  seen.add(ast)
  return stagesOf(ast).some((stage) =>
    SchemaAST.resolve(stage)?.[maskAnnotation] === true || isRedacted(stage)
    || [...partsOf(stage), ...(whole ? propertiesOf(stage) : [])].some((part) => isMasked(part, whole, seen))
  )
}

/** All structs that a schema is made of or encoded through. */
const structsOf = (ast: AST): ReadonlyArray<SchemaAST.Objects> =>
  stagesOf(ast).flatMap((stage) => {
    if (SchemaAST.isObjects(stage)) return [stage]
    return SchemaAST.isDeclaration(stage) ? stage.typeParameters.filter(SchemaAST.isObjects) : []
  })

const isNothing = (ast: AST): boolean => SchemaAST.isNull(ast) || SchemaAST.isUndefined(ast)

/** The only member of a union that is a value. */
const unwrap = (ast: AST): AST => {
  if (!SchemaAST.isUnion(ast)) return ast
  const [only, ...others] = ast.types.filter((type) => !isNothing(SchemaAST.toEncoded(type)))
  return only === undefined || others.length > 0 ? ast : unwrap(only)
}

const membersOf = (ast: AST): ReadonlyArray<AST> => SchemaAST.isUnion(ast) ? ast.types.flatMap(membersOf) : [ast]

const literalsOf = (members: ReadonlyArray<AST>): ReadonlyArray<Choice> | undefined => {
  const values = members.flatMap((member): ReadonlyArray<Choice | bigint | undefined> =>
    SchemaAST.isLiteral(member)
      ? [member.literal]
      : SchemaAST.isBoolean(member)
      ? [true, false]
      : SchemaAST.isEnum(member)
      ? member.enums.map(([, value]) => value)
      : [undefined]
  )
  return values.every((value): value is Choice => value !== undefined && typeof value !== "bigint")
    ? values
    : undefined
}

/** The texts that stand for numbers that JSON doesn't have. */
const isNumeric = (ast: AST): boolean =>
  SchemaAST.isNumber(ast)
  || (SchemaAST.isLiteral(ast) && ["Infinity", "-Infinity", "NaN"].includes(String(ast.literal)))

/** Deeper structs are edited as JSON. */
const maxDepth = 4

const controlOf = (ast: AST, depth: number): Control => {
  const members = membersOf(SchemaAST.toEncoded(ast)).filter((member) => !isNothing(member))
  const [only, ...others] = members
  if (only === undefined) return { kind: "json" }
  if (members.some(SchemaAST.isNumber) && members.every(isNumeric)) return { kind: "number" }
  const choices = literalsOf(members)
  if (choices !== undefined) return { kind: "choice", choices }
  if (others.length > 0) return { kind: "json" }
  if (SchemaAST.isString(only) || SchemaAST.isTemplateLiteral(only)) return { kind: "text" }
  return SchemaAST.isObjects(only) && only.propertySignatures.length > 0 && only.indexSignatures.length === 0
      && depth < maxDepth
    ? { kind: "object", fields: fieldsOf(unwrap(ast), only, depth + 1) }
    : { kind: "json" }
}

const hintOf = (ast: AST): string | undefined => {
  const value = unwrap(ast)
  const stages = stagesOf(value)
  const described = stages.map((stage) => SchemaAST.resolveDescription(stage)).find((one) => one !== undefined)
  if (described !== undefined) return described
  const expected = stages.flatMap((stage) => (stage.checks ?? []).map((check) => check.annotations?.["expected"]))
    .filter((one): one is string => typeof one === "string" && one !== "a finite number")
  return expected.length === 0 ? undefined : [...new Set(expected)].join(", ")
}

interface Source {
  readonly name: string
  /** As it is declared. */
  readonly ast: AST
  /** As it is stored. */
  readonly encoded: AST
  readonly masked: boolean
}

const fieldOf = ({ ast, encoded, masked, name }: Source, depth: number): Field => {
  const members = membersOf(encoded)
  return {
    name,
    title: stagesOf(unwrap(ast)).map((stage) => SchemaAST.resolveTitle(stage)).find((one) => one !== undefined) ?? name,
    hint: hintOf(ast),
    control: controlOf(ast, depth),
    optional: encoded.context?.isOptional === true,
    nullable: members.some(SchemaAST.isNull),
    masked
  }
}

/** The fields of a struct: under the names by which they are stored. */
const fieldsOf = (ast: AST, encoded: SchemaAST.Objects, depth: number): ReadonlyArray<Field> => {
  const structs = structsOf(ast)
  const stored = new Set(encoded.propertySignatures.map(({ name }) => name))
  // A masked field may be stored under another name: then every name that is not declared is masked.
  const isRenamed = structs[0]?.propertySignatures.some(({ name, type }) => isMasked(type) && !stored.has(name)) ??
    false
  const declared = new Set(structs[0]?.propertySignatures.map(({ name }) => name))
  return encoded.propertySignatures.filter(({ name }) => name !== "_tag" && typeof name === "string").map(
    ({ name, type }) => {
      const all = structs.flatMap(({ propertySignatures }) => propertySignatures).filter((one) => one.name === name)
      const masked = all.some((one) => isMasked(one.type)) || (isRenamed && !declared.has(name))
      const field = fieldOf({ name: String(name), ast: all[0]?.type ?? type, encoded: type, masked }, depth)
      // Lists, unions and deep structs are shown as a whole: then what is masked inside of them masks them.
      return field.control.kind === "json" && all.some((one) => isMasked(one.type, true))
        ? { ...field, masked: true }
        : field
    }
  )
}

/** Whether a value must not be shown as a whole: it, or a field of it, is masked. */
export const holdsMask = ({ control, masked }: Field): boolean =>
  masked || (control.kind === "object" && control.fields.some(holdsMask))

/** The schema of a state, a former state or a signal. */
export type Tagged = Task.Any["states"][number]

const made = new WeakMap<Tagged, ReadonlyArray<Field>>()

/** How such a value is stored. */
export const codecOf = (schema: Tagged) =>
  Schema.toCodecJson(schema) as unknown as Schema.Codec<{ readonly _tag: string }, unknown>

/** The literal `_tag` of a schema. */
export const tagOf = (schema: Tagged): string => {
  const encoded = SchemaAST.toEncoded(codecOf(schema).ast)
  const tag = SchemaAST.isObjects(encoded) && encoded.propertySignatures.find(({ name }) => name === "_tag")?.type
  return tag && SchemaAST.isLiteral(tag) ? String(tag.literal) : ""
}

/** The fields of a state. Undefined for a schema that is stored as no plain struct: it is edited as JSON. */
export const fieldsOfState = (schema: Tagged): ReadonlyArray<Field> | undefined => {
  const known = made.get(schema)
  if (known !== undefined) return known
  const { ast } = codecOf(schema)
  const encoded = SchemaAST.toEncoded(ast)
  if (!SchemaAST.isObjects(encoded) || encoded.indexSignatures.length > 0) return undefined
  const fields = fieldsOf(ast, encoded, 0)
  made.set(schema, fields)
  return fields
}
