/** One generator for everything that a run decides: the same seed makes the same plans and the same faults. */

export interface Random {
  /** At least 0, less than 1. */
  readonly next: () => number
  /** A whole number, both ends included. */
  readonly int: (min: number, max: number) => number
  readonly chance: (probability: number) => boolean
  readonly pick: <A>(from: ReadonlyArray<A>) => A
  /** One of the keys, as often as their weights say. */
  readonly weighted: <K extends string>(weights: Readonly<Record<K, number>>) => K
  /** A generator of its own: what one part draws changes nothing for the others. */
  readonly fork: (name: string) => Random
}

/** FNV-1a. */
const hash = (text: string): number => {
  let h = 0x811c9dc5
  for (let n = 0; n < text.length; n++) h = Math.imul(h ^ text.charCodeAt(n), 0x01000193)
  return h >>> 0
}

/** Mulberry32. */
const generator = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export const makeRandom = (seed: number): Random => {
  const next = generator(seed)
  const int = (min: number, max: number) => min + Math.floor(next() * (max - min + 1))
  return {
    next,
    int,
    chance: (probability) => next() < probability,
    pick: (from) => from[int(0, from.length - 1)]!,
    weighted: (weights) => {
      const keys = Object.keys(weights) as Array<keyof typeof weights>
      let at = next() * keys.reduce((sum, key) => sum + weights[key], 0)
      return keys.find((key) => (at -= weights[key]) < 0) ?? keys.at(-1)!
    },
    fork: (name) => makeRandom(hash(`${seed} ${name}`))
  }
}
