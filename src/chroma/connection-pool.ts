/** Times in milliseconds. */
export interface PoolOptions {
  /** Connections made at first contact and kept while idle. */
  readonly min: number
  readonly max: number
  /** How long a request waits for a connection before {@link PoolExhausted}. */
  readonly acquireTimeoutMs: number
  /** Idle connections beyond `min` are closed after this long. */
  readonly idleTimeoutMs: number
  /** A connection that was idle longer proves itself with a heartbeat before it is used. */
  readonly healthCheckAfterMs: number
}

export const defaultPoolOptions: PoolOptions = {
  min: 2,
  max: 10,
  acquireTimeoutMs: 30_000,
  idleTimeoutMs: 300_000,
  healthCheckAfterMs: 60_000,
}

/** Now: `active`, `idle`, `waiting`. Since the start: the rest. */
export interface PoolStats {
  readonly active: number
  readonly idle: number
  readonly waiting: number
  readonly created: number
  readonly acquired: number
  readonly timeouts: number
  /** Connections thrown away after a failure. */
  readonly recycled: number
  readonly failedHealthChecks: number
}
