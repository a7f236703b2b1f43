/**
 * Rows as text: a table if it fits, else one value a line, like psql's `\x`.
 */

/** A table's headings, and its cells as text. */
export interface Table {
  readonly columns: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
}

/** No column is made narrower than this to fit. */
const narrowest = 20

const separator = " | "

/** Renders a table for lines of `width` characters. */
export const render = (table: Table, width: number): string => {
  const widths = fittingWidths(table, width)
  const body = widths === undefined ? vertical(table) : aligned(table, widths)
  return [...body, `(${table.rows.length} ${table.rows.length === 1 ? "row" : "rows"})`].join("\n")
}

/** Any value as one text; nothing for null, as psql has it. */
export const cell = (value: unknown): string => {
  if (value === null || value === undefined) return ""
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "" : value.toISOString()
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString("hex")}`
  if (typeof value !== "object") return `${value as string | number | bigint | boolean}`
  return JSON.stringify(value, (_, part) => typeof part === "bigint" ? `${part}` : part)
}

const naturalWidths = ({ columns, rows }: Table): ReadonlyArray<number> =>
  columns.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]!.length)))

/** Cuts the widest columns until the table fits; `undefined` if that would cut too much, or a value has many lines. */
const fittingWidths = (table: Table, width: number): ReadonlyArray<number> | undefined => {
  const natural = naturalWidths(table)
  if (table.rows.some((row) => row.some((value) => value.includes("\n")))) return undefined
  const room = width - separator.length * (natural.length - 1)
  const total = (limit: number) => natural.reduce((sum, each) => sum + Math.min(each, limit), 0)
  let limit = Math.max(0, ...natural)
  while (limit >= narrowest && total(limit) > room) limit -= 1
  return total(limit) <= room ? natural.map((each) => Math.min(each, limit)) : undefined
}

const fit = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width)

const aligned = ({ columns, rows }: Table, widths: ReadonlyArray<number>): ReadonlyArray<string> => {
  const line = (cells: ReadonlyArray<string>) => cells.map((text, i) => fit(text, widths[i]!)).join(separator).trimEnd()
  return [line(columns), widths.map((width) => "-".repeat(width)).join("-+-"), ...rows.map(line)]
}

const vertical = ({ columns, rows }: Table): ReadonlyArray<string> => {
  const width = Math.max(0, ...columns.map((name) => name.length))
  const indent = `\n${" ".repeat(width)}${separator}`
  return rows.flatMap((row, index) => [
    `-[ row ${index + 1} ]${"-".repeat(width)}`,
    ...columns.map((name, column) =>
      `${name.padEnd(width)}${separator}${row[column]!.replaceAll("\n", indent)}`.trimEnd()
    )
  ])
}
