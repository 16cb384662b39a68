import { randomUUID } from 'node:crypto'

import type { ChromaApi } from '../../src/chroma/api.js'
import { acquireLock, type LockJob } from '../../src/migrations/state/acquire-lock.js'
import type { LockClock } from '../../src/migrations/state/lock-clock.js'
import type { LockFacts, LockInfo } from '../../src/migrations/state/lock-info.js'
import type { MigrationLock } from '../../src/migrations/state/lock.js'
import { createLock } from '../../src/migrations/state/lock-requests.js'
import { home } from './api-for-suite.js'

/** A clock that goes only when it is told to. */
export class TestClock implements LockClock {
  #steady = 1_000_000
  #wall: number
  /** Milliseconds that pass with each look at the steady clock. */
  step = 0

  constructor(wall = Date.UTC(2030, 0, 1)) {
    this.#wall = wall
  }

  steady(): number {
    this.pass(this.step)
    return this.#steady
  }

  wall(): Date {
    return new Date(this.#wall)
  }

  pass(ms: number): void {
    this.#steady += ms
    this.#wall += ms
  }

  /** The machine sleeps: only the wall clock goes on. */
  sleep(ms: number): void {
    this.#wall += ms
  }
}

export function lockJob(api: ChromaApi, changes: Partial<LockJob> = {}): LockJob {
  return {
    ...{ api, ...home },
    owner: 'ada',
    runId: randomUUID().slice(0, 8),
    phase: 'docs: copying',
    waitMs: 0,
    ...changes,
  }
}

/** Takes it at once, or fails. */
export async function locked(api: ChromaApi, changes: Partial<LockJob> = {}): Promise<MigrationLock> {
  return acquireLock(lockJob(api, changes))
}

/** The lock of a run that died on another machine. */
export async function deadLock(api: ChromaApi, changes: Partial<LockFacts> = {}): Promise<LockInfo> {
  const facts: LockFacts = {
    owner: 'eve',
    process: { pid: 4711, host: 'elsewhere', startTime: null, boot: null, pidNamespace: null },
    runId: 'dead',
    phase: '',
    beat: 3n,
    ttlMs: 60_000,
    since: '2001-01-01T00:00:00.000Z',
    lastBeat: '2001-01-01T00:00:00.000Z',
    token: randomUUID(),
    ...changes,
  }
  const info = await createLock({ api, ...home }, facts, undefined)
  if (info === null) throw new Error('somebody holds the lock')
  return info
}

/** Names of all that locks have left. */
export async function lockNames(api: ChromaApi): Promise<readonly string[]> {
  const all = await api.listCollections(home.tenant, home.database)
  return all.map(({ name }) => name).filter((name) => name.startsWith('chroma-ops.lock'))
}
