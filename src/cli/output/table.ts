/** Tables that fit the terminal. */
import { cut, pad, widthOf } from "./text.ts"

/** A column of a table of `A`. */
export interface Column<A> {
  readonly title: string
  readonly value: (item: A) => string
  /** Numbers are aligned to the right. Default left. */
  readonly align?: "left" | "right"
  /** It may be cut to this width when there is no room. Default: it is never cut. */
  readonly min?: number
  /** Colours a cell, once it is cut and padded. */
  readonly paint?: (text: string, item: A) => string
}

const gap = "  "

/** The widths of columns that need `widths` and may shrink to `mins`, so that all fit: the widest shrinks first. */
const fit = (widths: ReadonlyArray<number>, mins: ReadonlyArray<number>, room: number): ReadonlyArray<number> => {
  const result = [...widths]
  let over = result.reduce((sum, width) => sum + width, 0) - room
  while (over > 0) {
    const shrinkable = result.map((width, index) => (width > mins[index]! ? width : 0))
    const widest = shrinkable.indexOf(Math.max(...shrinkable))
    if (shrinkable[widest] === 0) break
    result[widest]!--
    over--
  }
  return result
}

/** Lines of text, the first with the titles. No line is wider than `width`. */
export const table = <A>(
  columns: ReadonlyArray<Column<A>>,
  items: ReadonlyArray<A>,
  options: { readonly width: number; readonly bold: (text: string) => string }
): ReadonlyArray<string> => {
  // Values are cut before they are measured: one may be megabytes long, and no column is wider than the table.
  const cells = items.map((item) => columns.map((column) => cut(column.value(item), options.width)))
  const isOpen = (index: number) => index === columns.length - 1 && columns[index]!.align !== "right"
  const natural = columns.map(({ title }, index) =>
    isOpen(index) && options.width === Infinity
      ? Infinity
      : cells.reduce((widest, row) => Math.max(widest, widthOf(row[index]!)), widthOf(title))
  )
  const mins = columns.map(({ min }, index) => Math.min(min ?? Infinity, natural[index]!))
  const widths = options.width === Infinity
    ? natural
    : fit(natural, mins, options.width - gap.length * (columns.length - 1))
  const cell = (text: string, index: number) => {
    const width = widths[index]!
    return isOpen(index) ? cut(text, width) : pad(cut(text, width), width, columns[index]!.align ?? "left")
  }
  const titles = columns.map(({ title }, index) => options.bold(cell(title, index))).join(gap)
  const lines = items.map((item, line) =>
    columns.map(({ paint }, index) => {
      const text = cell(cells[line]![index]!, index)
      return paint === undefined ? text : paint(text, item)
    }).join(gap).trimEnd()
  )
  return [titles, ...lines]
}
