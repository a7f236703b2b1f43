/** A source file, parsed: its declarations, what it exports and imports, and the comment above each. */
import {
  type Class,
  type Comment,
  parseSync,
  type Statement,
  type TSInterfaceDeclaration,
  type TSTypeAliasDeclaration,
  type VariableDeclarator,
  Visitor
} from "oxc-parser"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

/** The project's folder. */
export const project = fileURLToPath(new URL("../..", import.meta.url))

/** What can be exported. One name may be that of a type and of a value. */
export type Declaration = TSInterfaceDeclaration | TSTypeAliasDeclaration | Class | VariableDeclarator

/** Where a name comes from that another file declares. */
export interface Import {
  readonly file: string
  readonly name: string
}

/** A declaration, and the comment above it. */
export interface Commented {
  readonly declaration: Declaration
  readonly comment: string | undefined
}

/** One name that a file exports. */
export interface Export {
  readonly name: string
  readonly comment: string | undefined
  /** Undefined for a name that comes from another file. */
  readonly declaration: Declaration | undefined
  /** The file it comes from, if it is another one. */
  readonly from: Import | undefined
}

/** A parsed file. */
export interface Source {
  /** Relative to the project. */
  readonly file: string
  readonly text: string
  /** The comment that the file begins with. */
  readonly comment: string | undefined
  readonly exports: ReadonlyArray<Export>
  /** What it declares, exported or not. Of a type and a value of one name: the type. */
  readonly declarations: ReadonlyMap<string, Commented>
  readonly imports: ReadonlyMap<string, Import>
}

const nameOf = (declaration: Declaration): string =>
  declaration.id !== null && declaration.id.type === "Identifier" ? declaration.id.name : ""

const declarationsOf = (statement: Statement): ReadonlyArray<Declaration> => {
  switch (statement.type) {
    case "VariableDeclaration":
      return statement.declarations
    case "TSInterfaceDeclaration":
    case "TSTypeAliasDeclaration":
    case "ClassDeclaration":
      return [statement]
    default:
      return []
  }
}

/** Finds the doc comment that ends where something begins. The one that the file begins with is the module's. */
const above = (text: string, comments: ReadonlyArray<Comment>) => (start: number): string | undefined =>
  comments.find((comment) =>
    comment.start > 0 && comment.end <= start && comment.type === "Block" && comment.value.startsWith("*") &&
    text.slice(comment.end, start).trim() === ""
  )?.value

const importsOf = (file: string, body: ReadonlyArray<Statement>): ReadonlyMap<string, Import> => {
  const imports = new Map<string, Import>()
  for (const statement of body) {
    if (statement.type !== "ImportDeclaration" || !statement.source.value.startsWith(".")) continue
    for (const specifier of statement.specifiers) {
      if (specifier.type !== "ImportSpecifier" || specifier.imported.type !== "Identifier") continue
      const from = path.join(path.dirname(file), statement.source.value)
      imports.set(specifier.local.name, { file: from, name: specifier.imported.name })
    }
  }
  return imports
}

type Named = Extract<Statement, { readonly type: "ExportNamedDeclaration" }>

const exportsOf = (
  file: string,
  statement: Named,
  imports: Source["imports"],
  commentOf: (start: number) => string | undefined
): ReadonlyArray<Export> => {
  const declared = statement.declaration === null ? [] : declarationsOf(statement.declaration)
  const comment = commentOf(statement.start)
  return [
    ...declared.map((declaration) => ({ name: nameOf(declaration), comment, declaration, from: undefined })),
    ...statement.specifiers.map(({ exported, local, start }): Export => {
      const name = "name" in exported ? exported.name : exported.value
      const source = statement.source?.value
      const there = "name" in local ? local.name : local.value
      return {
        name,
        comment: commentOf(start),
        declaration: undefined,
        from: source === undefined
          ? imports.get(there)
          : { file: path.join(path.dirname(file), source), name: there }
      }
    })
  ]
}

/** Parses a file of the project. */
export const readSource = (file: string): Source => parseSource(file, fs.readFileSync(path.join(project, file), "utf8"))

/** Parses a text as if it were the file of that name. */
export const parseSource = (file: string, text: string): Source => {
  const { comments, errors, program } = parseSync(file, text)
  if (errors.length > 0) throw new Error(`${file} can't be parsed: ${errors.map(({ message }) => message).join()}`)
  const commentOf = above(text, comments)
  const imports = importsOf(file, program.body)
  const isNamed = (statement: Statement): statement is Named => statement.type === "ExportNamedDeclaration"
  const declarations = program.body.flatMap((statement) =>
    declarationsOf(isNamed(statement) && statement.declaration !== null ? statement.declaration : statement)
      .map((declaration) => [nameOf(declaration), { declaration, comment: commentOf(statement.start) }] as const)
  )
  const isValue = ([, { declaration }]: readonly [string, Commented]) => declaration.type === "VariableDeclarator"
  return {
    file,
    text,
    comment: comments[0]?.start === 0 ? comments[0].value : undefined,
    exports: program.body.filter(isNamed).flatMap((named) => exportsOf(file, named, imports, commentOf)),
    declarations: new Map([...declarations.filter(isValue), ...declarations.filter((each) => !isValue(each))]),
    imports
  }
}

/** The modules that an index exports as namespaces, in its order. */
export const namespacesOf = (index: string): ReadonlyArray<{ readonly name: string; readonly file: string }> => {
  const found: Array<{ readonly name: string; readonly file: string }> = []
  new Visitor({
    ExportAllDeclaration: ({ exported, source }) => {
      if (exported === null || !("name" in exported)) throw new Error(`${index} may export namespaces only`)
      found.push({ name: exported.name, file: path.join(path.dirname(index), source.value) })
    }
  }).visit(parseSync(index, fs.readFileSync(path.join(project, index), "utf8")).program)
  return found
}
