/** Where no worker crashes, none may be counted, and no step is begun twice without a reason. These are the reasons. */
export interface Strictness {
  /** How often a step was interrupted, by its place. */
  readonly interruptions: ReadonlyMap<string, number>
  /** Workers that interrupted steps. */
  readonly interrupters: ReadonlySet<string>
  /** How often connections were lost: each time, the answer to a COMMIT may be lost, and its step is begun again. */
  readonly losses: number
  /** Whether transactional steps may be begun again: their transactions may fail, or get lost. */
  readonly boundAgain: boolean
  /** Whether the steps' own statements may fail, which counts as a try. */
  readonly ownFailures: boolean
  /** Whether the server crashed: it may have forgotten claims, and moves of asynchronous steps. */
  readonly forgets: boolean
  /** Whether a worker had no turn for so long that its leases may have ended, as if it had crashed. */
  readonly stalled: boolean
}
