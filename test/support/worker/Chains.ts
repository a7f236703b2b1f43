/** Long chains of immediate steps, and how often each step of them ran. */
import { Effect } from "effect"
import { NextStep } from "../../../src/index.ts"
import { Job, jobs } from "./Fixture.ts"

/** A task that goes through this many states, and how often each step ran. */
export const chains = (length: number) => {
  const ran = new Map<string, number>()
  const Chains = jobs(({ name }) =>
    Effect.sync(() => {
      ran.set(name, (ran.get(name) ?? 0) + 1)
      const [chain, step] = name.split(":").map(Number)
      return step! < length ? NextStep.now(new Job({ name: `${chain}:${step! + 1}` })) : NextStep.none
    }).pipe(Effect.delay(1))
  )
  const enqueue = (count: number) =>
    Chains.enqueueAll(Array.from({ length: count }, (_, n) => new Job({ name: `${n}:1` })))
  return { Chains, enqueue, ran }
}
