/** The parameters of a statement that is put together from parts: each part adds its own, and names them by number. */
export class Params {
  readonly values: Array<unknown> = []

  /** For a statement whose first parameters are these. */
  constructor(values: ReadonlyArray<unknown> = []) {
    this.values.push(...values)
  }

  /** Adds a value. Returns how the statement names it. */
  readonly add = (value: unknown): string => {
    this.values.push(value)
    return `$${this.values.length}`
  }

  /**
   * Adds texts, each as a parameter of its own. Returns the array of them. Postgres knows how many there are without
   * their values: else it would assume ten, find the plan for any values dear, and plan the statement anew each time.
   */
  readonly texts = (values: ReadonlyArray<string | null>): string =>
    `array[${values.map((value) => `${this.add(value)}::text`).join(", ")}]::text[]`
}
