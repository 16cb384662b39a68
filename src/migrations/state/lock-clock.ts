/**
 * The two clocks of this process. The steady one decides; what the wall clock says is compared only with what it
 * said before in the same process, never with what another host wrote.
 */
export interface LockClock {
  /** Milliseconds from any fixed moment, never backwards. Stands still while the machine sleeps. */
  steady(): number
  wall(): Date
}

export const systemLockClock: LockClock = {
  steady: () => performance.now(),
  wall: () => new Date(),
}

export interface Moment {
  readonly steady: number
  readonly wall: number
}

export function momentOf(clock: LockClock): Moment {
  return { steady: clock.steady(), wall: clock.wall().getTime() }
}

/**
 * Also counts the time that the machine slept, which the steady clock may leave out. A wall clock that is set forward
 * meanwhile makes it too long: then a lock is lost for nothing, but never held wrongly.
 */
export function possiblyElapsed(from: Moment, to: Moment): number {
  return Math.max(to.steady - from.steady, to.wall - from.wall)
}
