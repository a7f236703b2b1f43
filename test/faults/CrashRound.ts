/**
 * A round in which the server crashes again and again, and no worker does. It may forget the moves of asynchronous
 * steps, and of no others: these are not begun twice.
 */
import { Effect } from "effect"
import type { World } from "./FaultContext.ts"
import type { Random } from "./Random.ts"
import { playSpell, spellLease, type SpellOptions } from "./SpellRound.ts"
import type { Spell } from "./Spells.ts"

const crashes = 4

const crashAgain = ({ log, server }: World): Spell => (_, random, millis) =>
  Effect.gen(function*() {
    for (let n = 0; n < crashes; n++) {
      yield* Effect.sleep(random.int(millis * 0.1, millis * 0.25))
      yield* Effect.orDie(server.restart("immediate"))
      log.count("crashes of the server")
    }
  })

/** With the workers that are there. */
export const crashRound = (world: World, random: Random, options: SpellOptions) =>
  playSpell(world, random, {
    spell: crashAgain(world),
    style: { lease: spellLease, writes: true, longTransactions: false },
    strict: { losses: crashes, boundAgain: true, forgets: true },
    atOnce: false
  }, options)
