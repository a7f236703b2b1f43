/** Workloads again, with commits that take as long as they do in clouds: numbered 21 to 25 for 2 ms, 51 to 55 for 5 ms. */
import type { SubjectName } from "../Subject.ts"
import type { Workload } from "../Workload.ts"
import { chain } from "./chain.ts"
import { noops } from "./noops.ts"
import { pickUp } from "./pickUp.ts"
import { tasksOfSteps } from "./tasksOfSteps.ts"

/** How much of the work is enough, for those who wait for each commit. */
const shares: Partial<Record<SubjectName, number>> = { ours: 1, oursAsync: 1, floor: 1, graphile: 1, pgBoss: 1 }

const slowDisk = (workload: Workload, commitWait: number, share: number): Workload => {
  const sizes: Partial<Record<SubjectName, number>> = {}
  for (const [name, size] of Object.entries(workload.sizes) as Array<[SubjectName, number]>) {
    sizes[name] = Math.ceil(size * share * (shares[name] ?? 0.5))
  }
  return {
    ...workload,
    sizes,
    number: 10 * commitWait + workload.number,
    title: `(${workload.number}) where a commit takes ${commitWait} ms longer`,
    note: `As (${workload.number})` + (share < 1 ? `, with ${share * 100} % of the work.` : "."),
    commitWait,
    rounds: 2,
    targets: []
  }
}

export const slowDisks: ReadonlyArray<Workload> = [2, 5].flatMap((commitWait) => [
  slowDisk(chain, commitWait, 0.3),
  slowDisk(tasksOfSteps, commitWait, 1),
  slowDisk({ ...noops, sizes: { ...noops.sizes, oursAsync: noops.sizes.ours! } }, commitWait, 1),
  slowDisk(pickUp, commitWait, 1)
])
