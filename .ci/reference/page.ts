/** The reference's pages, as Markdown. */
import type { Entry, Module } from "./modules.ts"

/** The modules' pages, and the one that lists them, by file name. */
export type Pages = ReadonlyMap<string, string>

/** What comes after the functions: what they take, return and fail with. In this order. */
const things = ["services", "models", "options", "schemas", "metrics", "constants", "errors", "guards", "utility types"]

const categoriesOf = ({ entries }: Module): ReadonlyArray<string> => {
  const found = new Set(["constructors", "layers", "running", ...entries.map(({ doc }) => doc.category)])
  const functions = [...found].filter((category) => !things.includes(category))
  return [...functions, ...things].filter((category) => entries.some(({ doc }) => doc.category === category))
}

const inCategory = ({ entries }: Module, category: string) => entries.filter(({ doc }) => doc.category === category)

const capitalize = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

/** A type that shares its name with a value says so. */
const titleOf = (module: Module, { isType, name }: Entry): string =>
  isType && module.entries.some((entry) => entry.name === name && !entry.isType) ? `${name} (type)` : name

/** A heading's anchor, as GitHub makes it. */
const slug = (heading: string) => heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")

const fileOf = (module: Module) => `${module.name}.md`

/** Each entry's anchor. Headings that are the same but for their case are numbered from the second on. */
const anchorsOf = (module: Module): ReadonlyMap<Entry, string> => {
  const seen = new Map<string, number>()
  const next = (heading: string) => {
    const anchor = slug(heading)
    const count = seen.get(anchor) ?? 0
    seen.set(anchor, count + 1)
    return count === 0 ? anchor : `${anchor}-${count}`
  }
  const anchors = new Map<Entry, string>()
  next(module.name)
  for (const category of categoriesOf(module)) {
    next(category)
    for (const entry of inCategory(module, category)) anchors.set(entry, next(titleOf(module, entry)))
  }
  return anchors
}

/** Where names lead to, seen from a module's page. */
const linksFrom = (modules: ReadonlyArray<Module>) => {
  const targets = new Map(modules.map((module) => [module.name, fileOf(module)]))
  for (const module of modules) {
    for (const [{ isType, name }, anchor] of anchorsOf(module)) {
      const key = `${module.name}.${name}`
      // A type says more about a thing than its schema does.
      if (isType || !targets.has(key)) targets.set(key, `${fileOf(module)}#${anchor}`)
    }
  }
  return (module: Module, name: string): string | undefined => {
    const target = targets.get(`${module.name}.${name}`) ?? targets.get(name) ?? targets.get(`TaskError.${name}`)
    return target?.startsWith(`${fileOf(module)}#`) ? target.slice(fileOf(module).length) : target
  }
}

type Find = (name: string) => string | undefined

/**
 * Makes links of `{@link name}`, and of the names of types (`Name`) and of what modules export (`Module.name`) in
 * backticks. Code blocks stay as they are.
 */
const linked = (text: string, find: Find, here?: string): string =>
  text.replaceAll(/^```[^]*?^```$|\{@link (\S+?)\}|`([A-Z][\w.]+)`/gm, (all, link?: string, code?: string) => {
    const name = link ?? code
    if (name === undefined) return all
    const target = find(name)
    if (target === undefined && link !== undefined) throw new Error(`{@link ${name}} leads nowhere`)
    // A link to where one is already would only distract.
    return target === undefined || target === here ? `\`${name}\`` : `[\`${name}\`](${target})`
  })

const renderSignature = (signature: string) => `\`\`\`ts signature\n${signature}\n\`\`\``

const renderEntry = (title: string, { doc, generics, signature }: Entry, find: Find, here: string): string =>
  [
    `### ${title}`,
    linked(doc.description, (name) => generics.includes(name) ? undefined : find(name), here),
    renderSignature(signature),
    ...(doc.examples.length === 0 ? [] : ["**Example**", ...doc.examples]),
    `<sub>Since ${doc.since}</sub>`
  ].join("\n\n")

const notice = "<!-- Made of the doc comments in src by `npm run docs`: change those. -->"

const renderContents = (module: Module, anchors: ReadonlyMap<Entry, string>): string =>
  categoriesOf(module).map((category) => {
    const links = inCategory(module, category).map((entry) => `[${titleOf(module, entry)}](#${anchors.get(entry)})`)
    return `- ${capitalize(category)}: ${links.join(", ")}`
  }).join("\n")

const renderHidden = ({ hidden }: Module, find: Find): ReadonlyArray<string> =>
  hidden.length === 0 ? [] : [
    "## Types that are not exported",
    "Parts of the types above, to be read, not named.",
    ...hidden.flatMap(({ description, name, signature }) => [
      `### ${name}`,
      linked(description, find),
      renderSignature(signature)
    ])
  ]

/** A module that has its own path is imported as a whole. */
const importOf = ({ name, specifier }: Module): string =>
  specifier.endsWith(`/${name}`) ? `import * as ${name} from "${specifier}"` : `import { ${name} } from "${specifier}"`

const renderModule = (module: Module, guides: string, find: Find): string => {
  const anchors = anchorsOf(module)
  return [
    notice,
    `# ${module.name}`,
    linked(module.doc.description, find),
    `\`\`\`ts\n${importOf(module)}\n\`\`\``,
    guides,
    renderContents(module, anchors),
    ...categoriesOf(module).flatMap((category) => [
      `## ${capitalize(category)}`,
      ...inCategory(module, category).map((entry) =>
        renderEntry(titleOf(module, entry), entry, find, `#${anchors.get(entry)}`)
      )
    ]),
    ...renderHidden(module, find)
  ].filter((part) => part !== "").join("\n\n") + "\n"
}

/** The first sentence. */
const summaryOf = ({ doc }: Module): string =>
  /^[^]*?\.(?=\s|$)/.exec(doc.description)![0].replaceAll("\n", " ").replaceAll(/\{@link (\S+?)\}/g, "`$1`")

const renderIndex = (modules: ReadonlyArray<Module>): string => {
  const specifiers = [...new Set(modules.map(({ specifier }) => specifier))]
  const listOf = (specifier: string) =>
    modules.filter((module) => module.specifier === specifier)
      .map((module) => `- [${module.name}](${fileOf(module)}): ${summaryOf(module)}`)
  return [
    notice,
    "# API reference",
    "Every module, made of the comments in its source: what your editor shows, too.",
    ...specifiers.flatMap((specifier) => [`## ${specifier}`, listOf(specifier).join("\n")])
  ].join("\n\n") + "\n"
}

/** Renders all pages. `guides` says, for a module, where to read more. */
export const renderPages = (modules: ReadonlyArray<Module>, guides: (module: string) => string): Pages => {
  const find = linksFrom(modules)
  return new Map([
    ["index.md", renderIndex(modules)],
    ...modules.map((module) =>
      [fileOf(module), renderModule(module, guides(module.name), (name) => find(module, name))] as const
    )
  ])
}
