/**
 * Rounds in which no worker crashes, whatever the database does: no crash may be counted, no try that the plan doesn't
 * ask for, and no step may be begun twice.
 */
import { Effect } from "effect"
import { persist } from "./EffectTables.ts"
import type { Strictness } from "./Strictness.ts"
import type { Plan } from "./Plan.ts"
import type { Random } from "./Random.ts"
import { conclude, patience, plannedErrors, prepare, produce, producers, settle, hasStalled } from "./Round.ts"
import { makeSpellPlans, opOf, type SpellStyle } from "./SpellPlans.ts"
import { withKeys } from "./keys/KeyPlans.ts"
import { locks, mostReconnects, quiet, readOnly, type Spell } from "./Spells.ts"
import { sound, tight, type Urls, type Variant } from "./WorkerVariant.ts"
import type { Scene } from "./FaultContext.ts"

/** Of workers whose rows are locked, or whose database is away, for longer. In milliseconds. */
export const spellLease = 4000

type Draw = (name: string, urls: Urls, random: Random, lease: number) => Variant

/** One kind of such rounds. */
export interface SpellKind {
  readonly spell: Spell
  readonly style: SpellStyle
  readonly draw: Draw
  readonly strict: Pick<Strictness, "losses" | "boundAgain" | "forgets">
  /** Whether all tasks are enqueued at once, and not spread over the spell. */
  readonly atOnce: boolean
}

const style: SpellStyle = { lease: spellLease, writes: true, longTransactions: false }

export const spells = {
  locks: { spell: locks, style, draw: sound, strict: { losses: 0, boundAgain: false, forgets: false }, atOnce: false },
  readonly: {
    spell: readOnly,
    style: { ...style, writes: false },
    draw: sound,
    strict: { losses: mostReconnects, boundAgain: true, forgets: false },
    atOnce: false
  },
  longTransactions: {
    spell: quiet,
    style: { ...style, longTransactions: true },
    draw: tight,
    strict: { losses: 0, boundAgain: false, forgets: false },
    atOnce: true
  }
} satisfies Record<string, SpellKind>

export const concludeSpell = (scene: Scene, plans: ReadonlyArray<Plan>, strict: SpellKind["strict"]) =>
  Effect.suspend(() => {
    const stalled = hasStalled(scene, spellLease)
    const nothing = { interruptions: new Map<string, number>(), interrupters: new Set<string>(), ownFailures: false }
    return conclude(scene, plans, { ...nothing, ...strict, stalled })
  })

export interface SpellOptions {
  /** Where producers connect. */
  readonly url: string
  readonly plans: number
  /** How long tasks are enqueued, and how long the spell lasts, in milliseconds. */
  readonly millis: number
}

/** So many steps at work are enough for a spell to hit some. */
const enough = 8

const awaitWork = ({ log, sql }: Scene) =>
  Effect.gen(function*() {
    const end = performance.now() + patience
    const look = persist(sql<{ n: number }>`select count(*)::int as n from pg_task where is_running`)
    while ((yield* look)[0]!.n < enough) {
      if (performance.now() > end) return log.wrong(`fewer than ${enough} steps are run after ${patience / 1000} s`)
      yield* Effect.sleep(50)
    }
  })

/** Plays a round with the workers that are there. */
export const playSpell = (
  scene: Scene,
  random: Random,
  { atOnce, spell, strict, style }: Omit<SpellKind, "draw">,
  { millis, plans: count, url }: SpellOptions
) =>
  Effect.gen(function*() {
    const journeys = makeSpellPlans(random.fork("plans"), count, style)
    const plans = style.longTransactions ? journeys : withKeys(random.fork("keys"), journeys, {
      slow: style.lease,
      faults: false,
      opOf: (random, given) => opOf(random, style, given)
    })
    yield* prepare(scene, plans)
    yield* scene.crew.ready
    scene.log.say("every worker is at work")
    scene.crew.hiccup()
    // Each producer has three at work, and is ready after two thirds of the time.
    const hit = Effect.andThen(awaitWork(scene), spell(scene, random.fork("spell"), millis))
    const rest = atOnce ? 0 : millis * 2 / (count / producers)
    yield* Effect.all([produce(scene, url, rest, []), hit], { concurrency: 2 })
    scene.log.say("the spell is over")
    yield* settle(scene, plans, plannedErrors)
    yield* concludeSpell(scene, plans, strict)
  })
