/** Times in which nothing of a task, a limit or a key may begin. */

export interface Still {
  readonly what: "pause" | "back-off"
  /** What stands still: a limit, a key of one, or the task of all. */
  readonly name: string
  /** What began it had returned, in milliseconds since 1970. */
  readonly since: number
  /** Nothing had been done yet to end it. */
  readonly until: number
}

export const limitedTask = "BesideLimited"
