/** Finds fields of a state that its schema doesn't have: encoding drops them silently. */
import { isFunction, isObject } from "effect/Predicate"
import * as SchemaAST from "effect/SchemaAST"

/** The path of the first field in excess, or undefined. */
type Search = (value: unknown) => string | undefined

/** The kinds of schemas whose values may be objects. Values of all others need no search. */
const objects: ReadonlySet<SchemaAST.AST["_tag"]> = new Set(
  ["Declaration", "Unknown", "Any", "ObjectKeyword", "Arrays", "Objects", "Union", "Suspend"] as const
)

/** The struct that a class is encoded as. The content of other declarations (dates, options, maps) is not searched. */
const structOf = (ast: SchemaAST.Declaration): SchemaAST.Objects | undefined => {
  const [struct] = ast.typeParameters
  if (struct === undefined || !SchemaAST.isObjects(struct)) return undefined
  const isEncoded = ast.encoding?.some(({ to }) =>
    SchemaAST.isObjects(to) && to.propertySignatures === struct.propertySignatures
  )
  return isEncoded === true ? struct : undefined
}

/** The fields of a struct or a class, if they are declared one by one. */
const fieldsOf = (ast: SchemaAST.AST): SchemaAST.Objects | undefined => {
  const struct = SchemaAST.isDeclaration(ast) ? structOf(ast) : SchemaAST.isObjects(ast) ? ast : undefined
  return struct !== undefined && struct.propertySignatures.length > 0 ? struct : undefined
}

const isRecord = (value: unknown): value is Record<string, unknown> => isObject(value) && !Array.isArray(value)

/** Neither is stored in JSON anyway, and a class has its functions again when it is decoded. */
const isNoData = (value: unknown): boolean => value === undefined || isFunction(value)

const within = (key: string | number, search: Search | undefined, value: unknown): string | undefined => {
  const found = search?.(value)
  return found === undefined ? undefined : `${key}.${found}`
}

const searchFields = (fields: SchemaAST.Objects): Search => {
  const searches = new Map<PropertyKey, Search | undefined>()
  for (const { name, type } of fields.propertySignatures) searches.set(name, searchOf(type))
  // With an index signature any key may be allowed.
  const open = fields.indexSignatures.length > 0
  return (value) => {
    if (!isRecord(value)) return undefined
    for (const key of Object.keys(value)) {
      const search = searches.get(key)
      if (search === undefined) {
        if (!open && !searches.has(key) && !isNoData(value[key])) return key
        continue
      }
      const found = within(key, search, value[key])
      if (found !== undefined) return found
    }
    return undefined
  }
}

const searchItems = (array: SchemaAST.Arrays): Search | undefined => {
  const elements = array.elements.map(searchOf)
  const [rest] = array.rest.map(searchOf)
  if (rest === undefined && elements.every((search) => search === undefined)) return undefined
  return (value) => {
    if (!Array.isArray(value)) return undefined
    for (const [index, item] of value.entries()) {
      const found = within(index, index < elements.length ? elements[index] : rest, item)
      if (found !== undefined) return found
    }
    return undefined
  }
}

/** The members of a union that may be objects. */
const membersOf = (union: SchemaAST.Union): ReadonlyArray<SchemaAST.AST> =>
  union.types.flatMap((type) => SchemaAST.isUnion(type) ? membersOf(type) : objects.has(type._tag) ? [type] : [])

/** Whether a value belongs to this member of a union: it has the literals that tell the members apart. */
const fits = (fields: SchemaAST.Objects, value: Record<string, unknown>): boolean =>
  fields.propertySignatures.every(({ name, type }) =>
    !SchemaAST.isLiteral(type) || value[name as string] === type.literal
  )

const searchMembers = (union: SchemaAST.Union): Search | undefined => {
  const members = membersOf(union)
  if (members.length === 1) return searchOf(members[0]!)
  const kinds = members.map(fieldsOf)
  if (!kinds.every((kind) => kind !== undefined)) return undefined
  const searches = kinds.map((kind) => ({ kind, search: searchFields(kind) }))
  return (value) => {
    if (!isRecord(value)) return undefined
    const found = searches.filter(({ kind }) => fits(kind, value)).map(({ search }) => search(value))
    return found.includes(undefined) ? undefined : found[0]
  }
}

/** A recursive schema leads back to itself, so each search is made once, when it is first needed. */
const searchLater = (suspend: SchemaAST.Suspend): Search => {
  let search: Search | undefined
  return (value) => {
    if (!isObject(value)) return undefined
    search ??= searchOf(suspend.thunk()) ?? (() => undefined)
    return search(value)
  }
}

const makeSearch = (ast: SchemaAST.AST): Search | undefined => {
  if (SchemaAST.isArrays(ast)) return searchItems(ast)
  if (SchemaAST.isUnion(ast)) return searchMembers(ast)
  if (SchemaAST.isSuspend(ast)) return searchLater(ast)
  const fields = fieldsOf(ast)
  return fields && searchFields(fields)
}

const made = new WeakMap<SchemaAST.AST, { readonly search: Search | undefined }>()

/** Undefined where nothing can be in excess. */
export const searchOf = (ast: SchemaAST.AST): Search | undefined => {
  const known = made.get(ast)
  if (known !== undefined) return known.search
  const search = makeSearch(ast)
  made.set(ast, { search })
  return search
}
