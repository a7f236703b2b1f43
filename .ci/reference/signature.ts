/**
 * What an export looks like, as TypeScript: cut from the source, with its own comments, without its implementation.
 *
 * Left out are type ids and compile-time checks (types whose names begin with `Check`): nobody writes them.
 */
import { type ArrowFunctionExpression, type Node, visitorKeys } from "oxc-parser"
import type { Declaration, Source } from "./source.ts"

interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

const childrenOf = (node: Node): ReadonlyArray<Node> =>
  (visitorKeys[node.type] ?? []).flatMap((key) => {
    const child = (node as unknown as Record<string, Node | ReadonlyArray<Node | null> | null>)[key]
    return [child ?? []].flat().filter((each) => each !== null)
  })

/** The name of a type that is named without its module. */
const typeName = (node: Node): string | undefined =>
  node.type === "TSTypeReference" && node.typeName.type === "Identifier" ? node.typeName.name : undefined

const isCheck = (node: Node): boolean => /^Check[A-Z]/.test(typeName(node) ?? "")

const isTypeId = (node: Node): boolean =>
  node.type === "TSPropertySignature" && node.computed && node.key.type === "Identifier" && node.key.name === "TypeId"

/** What to write in place of a node, or undefined to keep it. */
const replacement = (source: Source, node: Node, parent: Node | undefined): string | undefined => {
  if (parent?.type === "TSInterfaceBody" && isTypeId(node)) return ""
  if (node.type !== "TSIntersectionType" || !node.types.some(isCheck)) return undefined
  return node.types.filter((type) => !isCheck(type)).map((type) => print(source, type)).join(" & ")
}

const editsOf = (source: Source, node: Node, parent?: Node): ReadonlyArray<Edit> => {
  const text = replacement(source, node, parent)
  return text === undefined
    ? childrenOf(node).flatMap((child) => editsOf(source, child, node))
    : [{ start: node.start, end: node.end, text }]
}

/** A node's source with its edits made. */
const print = (source: Source, node: Node): string => {
  let text = ""
  let at = node.start
  for (const edit of editsOf(source, node)) {
    text += source.text.slice(at, edit.start) + edit.text
    at = edit.end
  }
  return text + source.text.slice(at, node.end)
}

/** `options: Options = {}` is `options?: Options` to its caller. */
const printParameter = (source: Source, node: Node): string =>
  node.type === "AssignmentPattern" && node.left.type === "Identifier"
    ? print(source, node.left).replace(node.left.name, `${node.left.name}?`)
    : print(source, node)

const printFunction = (source: Source, { params, returnType, typeParameters }: ArrowFunctionExpression): string => {
  if (returnType === null || returnType === undefined) throw new Error("a function without a return type")
  const generics = typeParameters ? print(source, typeParameters) : ""
  const parameters = params.map((parameter) => printParameter(source, parameter)).join(", ")
  return `${generics}(${parameters}) => ${print(source, returnType).replace(/^:\s*/, "")}`
}

const printVariable = (source: Source, node: Extract<Declaration, { type: "VariableDeclarator" }>): string => {
  const { id, init } = node
  if (id.type !== "Identifier") throw new Error("a pattern")
  if (id.typeAnnotation) return `declare const ${print(source, id)}`
  if (init?.type === "ArrowFunctionExpression") return `declare const ${id.name}: ${printFunction(source, init)}`
  if (init?.type === "Literal") return `declare const ${id.name} = ${print(source, init)}`
  throw new Error("a value without a type")
}

/** The code that stands for a declaration. */
export const signatureOf = (source: Source, node: Declaration): string =>
  (node.type === "VariableDeclarator" ? printVariable(source, node) : print(source, node))
    .replaceAll(/\{@link (\S+?)\}/g, "`$1`")

/** What a declaration shows of itself: not its implementation. */
const shown = (node: Declaration): ReadonlyArray<Node> => {
  if (node.type !== "VariableDeclarator") return [node]
  const { id, init } = node
  if (id.type === "Identifier" && id.typeAnnotation) return [id]
  if (init?.type !== "ArrowFunctionExpression") return []
  return [init.typeParameters, ...init.params, init.returnType].filter((part) => part !== null && part !== undefined)
}

const typesIn = (node: Node): ReadonlyArray<string> => {
  if (isTypeId(node) || isCheck(node)) return []
  const name = typeName(node)
  return [...(name === undefined ? [] : [name]), ...childrenOf(node).flatMap(typesIn)]
}

/** The types that a declaration names without their module. */
export const typesNamedBy = (node: Declaration): ReadonlyArray<string> => [...new Set(shown(node).flatMap(typesIn))]

/** A declaration's type parameters. */
export const genericsOf = (node: Declaration): ReadonlyArray<string> => {
  const owner = node.type === "VariableDeclarator" ? node.init : node
  const generics = owner !== null && "typeParameters" in owner ? owner.typeParameters?.params ?? [] : []
  return generics.map(({ name }) => name.name)
}
