/**
 * The types that a module's signatures name and nobody can import: its own, and those of internal modules. They are
 * shown if the source says something about them.
 */
import { parseDoc } from "./comment.ts"
import { signatureOf, typesNamedBy } from "./signature.ts"
import { type Declaration, readSource, type Source } from "./source.ts"

/** A type that a signature names. */
export interface Hidden {
  readonly name: string
  readonly description: string
  readonly signature: string
}

/** A declaration, and the file it is in. */
export type Located = readonly [source: Source, declaration: Declaration]

interface Found extends Hidden {
  readonly located: Located
}

const find = (source: Source, name: string): Found | undefined => {
  if (source.exports.some((found) => found.name === name) && !source.file.includes("/internal/")) return undefined
  const imported = source.imports.get(name)
  if (imported !== undefined) {
    return imported.file.includes("/internal/") ? find(readSource(imported.file), imported.name) : undefined
  }
  const { comment, declaration } = source.declarations.get(name) ?? {}
  if (declaration === undefined || comment === undefined) return undefined
  const { description } = parseDoc(comment)
  return { name, description, signature: signatureOf(source, declaration), located: [source, declaration] }
}

/** The hidden types that a module's exports name, and those that these name, each once. */
export const hiddenTypes = (module: Source, shown: ReadonlyArray<Located>): ReadonlyArray<Hidden> => {
  const exported = new Set(module.exports.map(({ name }) => name))
  const found = new Map<string, Found>()
  const queue = [...shown]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [source, declaration] = next
    for (const name of typesNamedBy(declaration)) {
      const type = found.has(name) || exported.has(name) ? undefined : find(source, name)
      if (type === undefined) continue
      found.set(name, type)
      queue.push(type.located)
    }
  }
  return [...found.values()]
}
