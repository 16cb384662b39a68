import { UsageError } from '../core/errors.js'

/** Times in milliseconds. */
export interface PoolOptions {
  /** Connections made at first contact and kept while idle. */
  readonly min: number
  readonly max: number
  /** How long a request waits for a connection before PoolExhausted. */
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

/** The defaults with some of them changed. Throws UsageError for numbers that make no pool. */
export function poolOptions(changes: Partial<PoolOptions> = {}): PoolOptions {
  const options = { ...defaultPoolOptions, ...changes }
  const { min, max } = options
  if (!Number.isInteger(max) || max < 1) {
    throw new UsageError(`a pool needs at least one connection: its maximum is ${max}`)
  }
  if (!Number.isInteger(min) || min < 0 || min > max) {
    throw new UsageError(`the pool's minimum must be between 0 and its maximum ${max}: it is ${min}`)
  }
  for (const name of ['acquireTimeoutMs', 'idleTimeoutMs', 'healthCheckAfterMs'] as const) {
    if (!(options[name] >= 0)) throw new UsageError(`the pool's ${name} must not be negative`)
  }
  return options
}

/** Now: `active`, `idle`, `waiting`. Since the start: the rest. */
export interface PoolStats {
  readonly active: number
  readonly idle: number
  readonly waiting: number
  /** Connections made. */
  readonly created: number
  readonly acquired: number
  readonly timeouts: number
  /** Connections thrown away after a failure, or because the server ended them. */
  readonly recycled: number
  readonly failedHealthChecks: number
}
