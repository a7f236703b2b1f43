import type { Workload } from "../Workload.ts"
import { backlog } from "./backlog.ts"
import { chain } from "./chain.ts"
import { manyClients } from "./clients.ts"
import { enqueue } from "./enqueue.ts"
import { herd } from "./herd.ts"
import { idle } from "./idle.ts"
import { limitedPickUp, limits } from "./limits.ts"
import { mix } from "./mix.ts"
import { noops } from "./noops.ts"
import { pickUp } from "./pickUp.ts"
import { processes } from "./processes.ts"
import { slowDisks } from "./slowDisk.ts"
import { steady } from "./steady.ts"
import { execute, pingPong } from "./waits.ts"
import { tasksOfSteps } from "./tasksOfSteps.ts"

/** In the order of their numbers; (8) takes its peak from (3). */
export const workloads: ReadonlyArray<Workload> = [
  chain,
  tasksOfSteps,
  noops,
  enqueue,
  pickUp,
  mix,
  backlog,
  steady,
  processes,
  idle,
  manyClients,
  herd,
  pingPong,
  execute,
  limits,
  limitedPickUp,
  ...slowDisks
]
