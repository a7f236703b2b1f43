/** The public modules, and what each exports; complaints about what isn't documented. */
import { type Doc, parseDoc } from "./comment.ts"
import { type Hidden, hiddenTypes, type Located } from "./hidden.ts"
import { genericsOf, signatureOf } from "./signature.ts"
import { type Export, namespacesOf, readSource, type Source } from "./source.ts"

/** An export, as the reference shows it. */
export interface Entry {
  readonly name: string
  readonly isType: boolean
  /** The names of its type parameters. */
  readonly generics: ReadonlyArray<string>
  readonly doc: Doc & { readonly category: string }
  readonly signature: string
}

/** A module, as the reference shows it. */
export interface Module {
  readonly name: string
  /** What to import it from. */
  readonly specifier: string
  readonly doc: Doc
  readonly entries: ReadonlyArray<Entry>
  /** The types that the entries name, and that are not exported. */
  readonly hidden: ReadonlyArray<Hidden>
}

/** Kept from the reader: how the library marks its own values. */
const internalCategory = "type ids"

/** What a user builds or runs has to be shown in use. */
const exemplary = new Set(["constructors", "layers", "running"])

/** What AGENTS.md asks for and a comment hasn't got. */
const missing = ({ category, description, examples, since }: Doc): ReadonlyArray<string> => [
  ...(description === "" ? ["a description"] : []),
  ...(category === undefined ? ["a @category"] : []),
  ...(since === undefined ? ["a @since"] : []),
  ...(exemplary.has(category ?? "") && examples.length === 0 ? ["an @example"] : [])
]

/** The declarations behind an export, and the file that holds them. */
const resolve = (source: Source, found: Export): Located => {
  if (found.declaration !== undefined) return [source, found.declaration]
  if (found.from === undefined) throw new Error("an export that comes from nowhere")
  const { file, name } = found.from
  const from = readSource(file)
  const there = from.exports.find((each) => each.name === name)
  if (there === undefined) throw new Error(`not exported by ${file}`)
  return resolve(from, there)
}

const toEntry = (source: Source, found: Export): Entry & { readonly located: Located } => {
  const doc = parseDoc(found.comment ?? "")
  const gaps = missing(doc)
  if (gaps.length > 0) throw new Error(`its doc comment lacks ${gaps.join(", ")}`)
  const [from, declaration] = resolve(source, found)
  return {
    name: found.name,
    isType: declaration.type === "TSInterfaceDeclaration" || declaration.type === "TSTypeAliasDeclaration",
    doc: { ...doc, category: doc.category! },
    generics: genericsOf(declaration),
    signature: signatureOf(from, declaration),
    located: [from, declaration]
  }
}

/** Says where an error is. */
const within = <A>(place: string, f: () => A): A => {
  try {
    return f()
  } catch (error) {
    throw new Error(`${place}: ${(error as Error).message}`, { cause: error })
  }
}

/** A module as the reference shows it. Throws if something in it isn't documented, or can't be shown. */
export const toModule = (name: string, specifier: string, source: Source): Module => {
  const entries = source.exports
    .map((found) => within(`${source.file}, ${found.name}`, () => toEntry(source, found)))
    .filter((entry) => entry.doc.category !== internalCategory)
  const doc = within(source.file, () => parseDoc(source.comment ?? ""))
  if (doc.description === "") throw new Error(`${source.file}: the module has no doc comment`)
  return { name, specifier, doc, entries, hidden: hiddenTypes(source, entries.map(({ located }) => located)) }
}

const indexes = { "effect-pg-task": "src/index.ts", "effect-pg-task/testing": "src/testing/index.ts" }

/** Modules that no index exports, because most programs don't need what they load. */
const apart = { Dashboard: { specifier: "effect-pg-task/Dashboard", file: "src/Dashboard.ts" } }

/** All public modules. */
export const readModules = (): ReadonlyArray<Module> => [
  ...Object.entries(indexes).flatMap(([specifier, index]) =>
    namespacesOf(index).map(({ file, name }) => toModule(name, specifier, readSource(file)))
  ),
  ...Object.entries(apart).map(([name, { file, specifier }]) => toModule(name, specifier, readSource(file)))
]
