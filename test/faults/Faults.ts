/** All faults, and how they are mixed. */
import { Effect, Fiber } from "effect"
import { databaseFaults } from "./DatabaseFaults.ts"
import { limitFaults } from "./limits/LimitFaults.ts"
import { networkFaults } from "./NetworkFaults.ts"
import { processFaults } from "./ProcessFaults.ts"
import type { Random } from "./Random.ts"
import { rowFaults } from "./RowFaults.ts"
import type { Fault, World } from "./FaultContext.ts"

const all = { ...processFaults, ...networkFaults, ...databaseFaults, ...rowFaults, ...limitFaults }

export type Name = keyof typeof all

/** How often each is drawn. Those that stop everybody are rare: between them, work must get done. */
const weights: Record<Name, number> = {
  kill: 8,
  freeze: 8,
  replace: 6,
  roll: 1,
  stopAll: 0.7,
  stall: 3,
  "stall and cut": 3,
  deaf: 5,
  refuse: 2,
  slow: 3,
  terminate: 6,
  "cancel statements": 4,
  "restart fast": 1.5,
  "restart immediate": 1.5,
  timeouts: 2,
  "read only": 1.5,
  crowded: 1.5,
  vacuum: 2,
  "long transaction": 2,
  "lock table": 2,
  "lock rows": 3,
  "lock rows for long": 2,
  migrate: 1,
  "full queue": 1.5,
  steal: 4,
  free: 5,
  lapse: 4,
  hurry: 3,
  clear: 3,
  cancel: 3,
  fell: 4,
  garbage: 8,
  "drop slots": 3,
  "park slots": 3,
  "move slots": 3,
  "rename slots": 2,
  "pause a limit": 2,
  "set the number of a limit": 2
}

/** Those that change the same thing must not undo each other's work: one at a time. */
const exclusive: ReadonlyArray<ReadonlyArray<Name>> = [
  Object.keys(networkFaults) as Array<Name>,
  ["restart fast", "restart immediate"],
  ["timeouts", "read only", "crowded"],
  ["full queue"]
]

const names = Object.keys(all) as Array<Name>

/** At most this many at a time. */
const atOnce = 5

const isBlocked = (name: Name, active: ReadonlySet<Name>): boolean =>
  active.size >= atOnce || exclusive.some((group) => group.includes(name) && group.some((other) => active.has(other)))

/** Says when one took surprisingly long: it may be what the others, and the workers, are waiting for. */
const timed = ({ log }: World, name: Name, fault: Effect.Effect<void>) =>
  Effect.suspend(() => {
    const startedAt = performance.now()
    return Effect.tap(fault, () => {
      const took = (performance.now() - startedAt) / 1000
      return Effect.sync(() => took > 8 ? log.say(`${name} took ${took.toFixed(1)} s`) : undefined)
    })
  })

/** Which fault comes next: each once, in random order, and then as often as the weights say. */
class Deck {
  private readonly random: Random
  private readonly unseen: Array<Name>
  /** Those that had to wait for others. */
  private readonly waiting: Array<Name> = []

  constructor(random: Random) {
    this.random = random
    const place = Object.fromEntries(names.map((name) => [name, random.next()]))
    this.unseen = names.toSorted((a, b) => place[a]! - place[b]!)
  }

  draw(active: ReadonlySet<Name>): Name | undefined {
    const first = this.waiting.findIndex((name) => !isBlocked(name, active))
    if (first >= 0) return this.waiting.splice(first, 1)[0]
    const next = this.unseen.shift()
    const name = next ?? this.random.weighted(weights)
    if (!isBlocked(name, active)) return name
    if (next !== undefined) this.waiting.push(next)
    return undefined
  }
}

/** Draws faults for this many milliseconds, and returns when the last one is over. */
export const rage = (world: World, random: Random, millis: number): Effect.Effect<void> =>
  Effect.gen(function*() {
    const active = new Set<Name>()
    const fibers: Array<Fiber.Fiber<void>> = []
    const deck = new Deck(random)
    const end = performance.now() + millis
    for (let turn = 0; performance.now() < end; turn++) {
      const name = deck.draw(active)
      if (name !== undefined) {
        active.add(name)
        world.log.count(name)
        world.log.say(name)
        const fault: Fault = all[name]
        const over = Effect.sync(() => active.delete(name))
        const own = random.fork(`${name} ${turn}`)
        fibers.push(yield* Effect.forkChild(Effect.ensuring(timed(world, name, fault(world, own)), over)))
      }
      yield* Effect.sleep(random.int(50, 600))
    }
    yield* Effect.forEach(fibers, Fiber.join, { discard: true })
  })
