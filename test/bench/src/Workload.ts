import type { Bench } from "./Bench.ts"
import type { Results } from "./Results.ts"
import type { SubjectName } from "./Subject.ts"

/** What one measurement yields: a number per measure. */
export type Figures = Readonly<Record<string, number>>

/** A number the workload must reach, as a ratio of two medians of the same run. */
export interface Target {
  readonly text: string
  readonly value: (results: Results) => number | undefined
  readonly atLeast?: number
  readonly atMost?: number
}

export interface Workload {
  readonly number: number
  readonly title: string
  /** How it is measured, in a sentence or two. */
  readonly note: string
  /** Who takes part, and with how many tasks (or whatever `measure` calls size): slow subjects get fewer. */
  readonly sizes: Partial<Record<SubjectName, number>>
  /** By how many milliseconds each commit takes longer, as on a slower disk; without it, as long as it takes. */
  readonly commitWait?: number
  /** At most so many rounds; without it, as many as the run has. */
  readonly rounds?: number
  /** How long one measurement may take, in seconds. Default: 180. */
  readonly seconds?: number
  /** Whether unmeasured runs go first, for some seconds, so that no subject is measured while it still warms up. */
  readonly warmUp?: boolean
  readonly measure: (bench: Bench, subject: SubjectName, size: number) => Promise<Figures>
  readonly targets: ReadonlyArray<Target>
}
