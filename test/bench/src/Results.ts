import type { SubjectName } from "./Subject.ts"
import type { Figures } from "./Workload.ts"

/** One row of the report: every round of one subject in one measure of one workload. */
export interface Row {
  readonly workload: number
  readonly measure: string
  readonly subject: SubjectName
  readonly rounds: Array<number>
}

export const median = (values: ReadonlyArray<number>): number => percentile(values, 0.5)

export const percentile = (values: ReadonlyArray<number>, p: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * p
  const [low, high] = [sorted[Math.floor(at)] ?? NaN, sorted[Math.ceil(at)] ?? NaN]
  return low + (high - low) * (at % 1)
}

/** All figures of a run. */
export class Results {
  readonly rows: Array<Row> = []

  add(workload: number, subject: SubjectName, figures: Figures): void {
    for (const [measure, value] of Object.entries(figures)) this.row(workload, measure, subject).rounds.push(value)
  }

  /** The median over the rounds; undefined where nothing was measured. */
  median(workload: number, measure: string, subject: SubjectName): number | undefined {
    const row = this.find(workload, measure, subject)
    return row && median(row.rounds)
  }

  /** The best median among several subjects, where more is better. */
  best(workload: number, measure: string, subjects: ReadonlyArray<SubjectName>): number | undefined {
    const medians = subjects.map((subject) => this.median(workload, measure, subject) ?? -Infinity)
    const best = Math.max(...medians)
    return Number.isFinite(best) ? best : undefined
  }

  private find(workload: number, measure: string, subject: SubjectName): Row | undefined {
    return this.rows.find((row) => row.workload === workload && row.measure === measure && row.subject === subject)
  }

  private row(workload: number, measure: string, subject: SubjectName): Row {
    const found = this.find(workload, measure, subject)
    if (found) return found
    const row: Row = { workload, measure, subject, rounds: [] }
    this.rows.push(row)
    return row
  }
}

/** `a / b`, where both were measured. */
export const ratio = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : a / b
