import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'

import { asError } from '../../core/errors.js'
import type { Warning } from '../../core/progress.js'
import type { EmbeddingCache } from '../embedding-cache.js'
import { openEmbeddingCache } from '../open-embedding-cache.js'
import { acquireLock } from '../state/acquire-lock.js'
import { describeHolder } from '../state/describe-holder.js'
import type { MigrationLock } from '../state/lock.js'
import { openState, type StateWriter } from '../state/state-writer.js'
import type { MigrationJob } from './migration-job.js'

/** A run that holds the lock. */
export interface Session {
  readonly job: MigrationJob
  readonly runId: string
  readonly lock: MigrationLock
  readonly cache: EmbeddingCache
  /** A folder of this run alone. */
  readonly tempDir: string
  /** Fires when the caller stops the run, or its lock is lost. */
  readonly signal: AbortSignal
  readonly warnings: Warning[]
  /** The state, to be written. Creates it where there is none, so it is called when something will be written. */
  state(): Promise<StateWriter>
}

/** Eight hexadecimal digits. */
export function newRunId(): string {
  return randomBytes(4).toString('hex')
}

/** Runs `work` while this run, and no other, may change the database. */
export async function whileLocked<T>(
  job: MigrationJob,
  { runId, phase }: { readonly runId: string; readonly phase: string },
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const { api, tenant, database, lock: options, events } = job
  const place = { api, tenant, database }
  const lock = await acquireLock({
    ...place,
    owner: job.actor,
    runId,
    phase,
    waitMs: options.waitMs,
    ttlMs: options.ttlMs,
    signal: job.signal,
    onWait: (holder) => events.waiting?.({ holder: describeHolder(holder) }),
  })
  const warnings: Warning[] = lock.fenced.map((dead) => ({
    code: 'LOCK_TAKEN_OVER',
    message: `the lock of a run that is dead was taken over: ${describeHolder(dead)}`,
  }))
  for (const warning of warnings) job.progress.warn(warning)
  const onLost = () => events.lockLost?.({ message: asError(lock.lost.reason).message })
  lock.lost.addEventListener('abort', onLost, { once: true })
  try {
    return await withScratch(job, async (scratch) => {
      let state: Promise<StateWriter> | null = null
      return work({
        job,
        runId,
        lock,
        ...scratch,
        signal: AbortSignal.any([job.signal, lock.lost]),
        warnings,
        state: async () => (state ??= openState(place, lock, job.signal)),
      })
    })
  } finally {
    lock.lost.removeEventListener('abort', onLost)
    const { problem } = await lock.release()
    if (problem !== null)
      job.progress.warn({ code: 'LOCK_NOT_RELEASED', message: notReleased(lock, problem) })
  }
}

/**
 * A temporary folder and the cache of vectors, for runs and for plans. While it lasts the process stays: code of a
 * migration that never ends, and waits for nothing that Node knows of, would end it without a word.
 */
export async function withScratch<T>(
  { tempDir: parent, cacheDir, progress }: Pick<MigrationJob, 'tempDir' | 'cacheDir' | 'progress'>,
  work: (scratch: { readonly tempDir: string; readonly cache: EmbeddingCache }) => Promise<T>,
): Promise<T> {
  const tempDir = await mkdtemp(path.join(parent, 'chroma-ops-migrate-'))
  const stays = setInterval(() => {}, A_LONG_TIME_MS)
  try {
    const cache = await openEmbeddingCache(cacheDir, (warning) => progress.warn(warning))
    try {
      return await work({ tempDir, cache })
    } finally {
      await cache.close()
    }
  } finally {
    clearInterval(stays)
    await rm(tempDir, { recursive: true, force: true })
  }
}

const A_LONG_TIME_MS = 3_600_000

function notReleased({ info }: MigrationLock, problem: Error): string {
  return (
    `the lock could not be given back (${problem.message}); ` +
    `it is free after ${Math.round(info.ttlMs / 1000)} s of silence`
  )
}
