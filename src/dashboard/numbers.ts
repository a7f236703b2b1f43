/** The numbers of a sample as texts, under the keys by which pages and their scripts find them. */
import * as Duration from "effect/Duration"
import type * as Activity from "../Activity.ts"
import { type Moment, plotted, remembered, type Sample } from "./sampler.ts"
import { byStatus, count, duration, rate } from "./text.ts"

/** What changes in a page that is open. */
export interface Numbers {
  readonly text: Readonly<Record<string, string>>
  /** The worst status, which decides a colour. */
  readonly mood: Readonly<Record<string, string>>
  readonly path: Readonly<Record<string, string>>
}

/** A sum of counts. */
export interface Sum {
  readonly count: number
  readonly atLeast: boolean
  readonly oldest: Duration.Duration
}

const none: Sum = { count: 0, atLeast: false, oldest: Duration.zero }

export const add = (counts: Iterable<Sum>): Sum => {
  let sum = none
  for (const one of counts) {
    sum = {
      count: sum.count + one.count,
      atLeast: sum.atLeast || one.atLeast,
      oldest: Duration.max(sum.oldest, one.oldest)
    }
  }
  return sum
}

/** The key of some rows: of a task, a state of it, a status. */
export const keyOf = (task: string | null, state?: string | null, status?: string): string =>
  [task, state, status].map((part) => part === undefined ? "*" : part === null ? "" : `=${encodeURIComponent(part)}`)
    .join("/")

/** The worst status of some rows. */
export const moodOf = (counts: ReadonlyArray<Activity.BoundedCount>): string =>
  counts.filter((one) => one.count > 0).map(({ status }) => status as string).sort(byStatus)[0] ?? "empty"

/** `3 parked of 18`. */
export const summaryOf = (counts: ReadonlyArray<Activity.BoundedCount>): string => {
  const all = add(counts)
  if (all.count === 0) return "none"
  const mood = moodOf(counts)
  const worst = add(counts.filter(({ status }) => status === mood))
  const text = `${count(worst.count, worst.atLeast)} ${mood}`
  return worst.count === all.count ? text : `${text} of ${count(all.count, all.atLeast)}`
}

/** For how long the oldest has been ready. */
export const oldestReady = (counts: ReadonlyArray<Activity.BoundedCount>): string => {
  const { count, oldest } = add(counts.filter(({ status }) => status === "ready"))
  return count === 0 ? "–" : duration(oldest)
}

// ---------------------------------------------------------------------------------------------------------------
// Plots
// ---------------------------------------------------------------------------------------------------------------

export const plotSize = { width: 120, height: 26 } as const

interface Spot {
  readonly at: number
  readonly value: number
}

/** In pixels: finer than this nobody sees, and each viewer gets each plot with each sample. */
const columnWidth = 2

const xOf = (at: number, from: number) => ((at - from) / Duration.toMillis(remembered)) * plotSize.width

/** The highest value in each column. */
const spotsOf = (
  history: ReadonlyArray<Moment>,
  from: number,
  valueOf: (moment: Moment) => number | undefined
): ReadonlyArray<Spot> => {
  const columns = new Map<number, Spot>()
  for (const moment of history) {
    const value = valueOf(moment)
    const column = Math.floor(xOf(moment.at, from) / columnWidth)
    const known = columns.get(column)
    if (value !== undefined && (known === undefined || value > known.value)) {
      columns.set(column, { at: moment.at, value })
    }
  }
  return [...columns.values()]
}

/** A line over the last minutes. Where nobody looked, it has a gap. */
export const plotOf = (history: ReadonlyArray<Moment>, valueOf: (moment: Moment) => number | undefined): string => {
  const from = (history.at(-1)?.at ?? 0) - Duration.toMillis(remembered)
  const spots = spotsOf(history, from, valueOf)
  const top = Math.max(1, ...spots.map(({ value }) => value))
  return spots.map(({ at, value }, index) => {
    const before = spots[index - 1]
    const isGap = before === undefined || at - before.at > Duration.toMillis(remembered) / 10
    const y = plotSize.height - 2 - (value / top) * (plotSize.height - 4)
    return `${isGap ? "M" : "L"}${xOf(at, from).toFixed(1)} ${y.toFixed(1)}`
  }).join("")
}

// ---------------------------------------------------------------------------------------------------------------
// All of them
// ---------------------------------------------------------------------------------------------------------------

const group = <A>(values: Iterable<A>, keyOf: (value: A) => string | null): ReadonlyMap<string | null, Array<A>> => {
  const groups = new Map<string | null, Array<A>>()
  for (const value of values) {
    const key = keyOf(value)
    const others = groups.get(key)
    if (others === undefined) groups.set(key, [value])
    else others.push(value)
  }
  return groups
}

export const byTask = (counts: Iterable<Activity.BoundedCount>) => group(counts, ({ task }) => task)
export const byState = (counts: Iterable<Activity.BoundedCount>) => group(counts, ({ step }) => step)

/** A state that a page shows: whether there are rows in it or not. */
export interface Shown {
  readonly task: string | null
  readonly states: ReadonlyArray<string | null>
}

const textOf = ({ atLeast, count: n }: Sum) => count(n, atLeast)

/** The numbers of everything that is shown. Pages are filled with them, and then kept up to date with them. */
export const numbersOf = (
  sample: Sample,
  shown: ReadonlyArray<Shown>,
  statuses: ReadonlyArray<string>
): Numbers => {
  const text: Record<string, string> = {}
  const mood: Record<string, string> = {}
  const path: Record<string, string> = {}
  const note = (
    task: string | null,
    state: string | null | undefined,
    counts: ReadonlyArray<Activity.BoundedCount>
  ) => {
    text[keyOf(task, state)] = summaryOf(counts)
    mood[keyOf(task, state)] = moodOf(counts)
    text[keyOf(task, state, "oldest")] = oldestReady(counts)
    for (const one of statuses) {
      text[keyOf(task, state, one)] = textOf(add(counts.filter(({ status }) => status === one)))
    }
  }
  const tasks = byTask(sample.counts)
  for (const { states, task } of shown) {
    const counts = tasks.get(task) ?? []
    const inState = byState(counts)
    note(task, undefined, counts)
    for (const state of states) note(task, state, inState.get(state) ?? [])
    for (const one of plotted) {
      path[keyOf(task, undefined, one)] = plotOf(sample.history, (moment) => moment[one].get(task) ?? 0)
    }
  }
  for (const one of statuses) text[one] = textOf(add(sample.counts.filter(({ status }) => status === one)))
  for (const key of ["inserted", "updated", "deleted"] as const) {
    text[key] = sample.rates === undefined ? "–" : rate(sample.rates[key])
    path[key] = plotOf(sample.history, ({ rates }) => rates?.[key])
  }
  text["took"] = `${Math.max(1, Math.round(sample.took))} ms`
  return { text, mood, path }
}
