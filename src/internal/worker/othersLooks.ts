/**
 * Whether another worker of the same tasks makes the looks at everything: for expired leases, and for what crashed
 * workers have left undone. Its notifications say so.
 */
export class OthersLooks {
  private readonly now: () => number
  /** By the local clock, in milliseconds. */
  private trustedUntil = -Infinity

  constructor(now: () => number) {
    this.now = now
  }

  /** Another worker has looked, and looks again within this many milliseconds. */
  trust(within: number): void {
    this.trustedUntil = this.now() + within
  }

  /** This worker has looked: so nobody else does. */
  end(): void {
    this.trustedUntil = -Infinity
  }

  /** As far as this worker knows. */
  get areMade(): boolean {
    return this.now() < this.trustedUntil
  }
}
