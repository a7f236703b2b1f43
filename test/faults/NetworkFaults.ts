/** Connections that hang, crawl, lose answers and break. */
import { Effect } from "effect"
import type { Weather } from "./Proxy.ts"
import type { Fault } from "./FaultContext.ts"

/** Bad weather for a while, and a cut at its end where the connections would be of no use any more. */
const bad = (weather: Weather, longest: number, cut: boolean): Fault => ({ proxy }, random) =>
  proxy.set(weather).pipe(
    Effect.andThen(Effect.sleep(random.int(100, longest))),
    Effect.andThen(cut ? proxy.cut : Effect.void),
    Effect.ensuring(proxy.set({ _tag: "Fair" }))
  )

const slow: Fault = (world, random) => bad({ _tag: "Delay", millis: random.int(5, 300) }, 3000, false)(world, random)

export const networkFaults = {
  stall: bad({ _tag: "Stall" }, 4000, false),
  "stall and cut": bad({ _tag: "Stall" }, 4000, true),
  deaf: bad({ _tag: "Deaf" }, 1000, true),
  refuse: bad({ _tag: "Refuse" }, 2000, true),
  slow
} satisfies { readonly [name: string]: Fault }
