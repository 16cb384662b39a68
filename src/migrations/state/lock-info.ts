import type { CollectionRef } from '../../chroma/api.js'
import { LOCK_KEY } from '../../core/migration-keys.js'
import type { Metadata } from '../../core/metadata.js'
import type { ProcessIdentity } from '../../core/process-identity.js'
import type { CollectionDefinition } from '../../core/records.js'
import { LockForeignError, StateUnsupportedError } from './lock-errors.js'

/** Newer chroma-ops may write another one; then this one keeps its hands off. */
export const LOCK_FORMAT = 1n
export const DEFAULT_LOCK_TTL_MS = 60_000
/** A lock that claims more is broken, not patient. */
const MAX_TTL_MS = 24 * 3_600_000
/** Chroma Cloud takes 256 bytes per value. */
const MAX_TEXT_BYTES = 250

/** Who holds a lock, as its metadata tells. */
export interface LockInfo extends CollectionRef {
  readonly owner: string
  readonly process: ProcessIdentity
  readonly runId: string
  /** What it is at, for people. */
  readonly phase: string
  /** Goes up with each sign of life. */
  readonly beat: bigint
  /** How long it may be silent before others take it for dead, in milliseconds. */
  readonly ttlMs: number
  /** ISO 8601, by the holder's clock: for people, never compared. */
  readonly since: string
  readonly lastBeat: string
  /** Made anew for each attempt to take the lock, so that one's own is known for sure. */
  readonly token: string
}

export type LockFacts = Omit<LockInfo, keyof CollectionRef>

export function lockMetadata(facts: LockFacts): Metadata {
  const { process } = facts
  const texts = {
    owner: facts.owner,
    host: process.host,
    process_start: process.startTime ?? '',
    boot: process.boot ?? '',
    pid_namespace: process.pidNamespace ?? '',
    run: facts.runId,
    phase: facts.phase,
    since: facts.since,
    last_beat: facts.lastBeat,
    token: facts.token,
  }
  return new Map<string, string | bigint>([
    [LOCK_KEY, LOCK_FORMAT],
    ['beat', facts.beat],
    ['ttl_ms', BigInt(Math.ceil(facts.ttlMs))],
    ['pid', BigInt(process.pid)],
    ...Object.entries(texts).map(([key, text]) => [key, oneLine(text)] as const),
  ])
}

/**
 * Throws a {@link LockForeignError} when it is not a lock at all, and a {@link StateUnsupportedError} (16) for the
 * lock of a newer release.
 */
export function lockInfo(collection: CollectionDefinition): LockInfo {
  const { tenant, database, name, id, metadata } = collection
  const format = metadata?.get(LOCK_KEY)
  if (metadata === null || typeof format !== 'bigint') throw new LockForeignError(name)
  if (format > LOCK_FORMAT) throw new StateUnsupportedError('lock', format)
  const text = (key: string) => {
    const value = metadata.get(key)
    return typeof value === 'string' ? value : ''
  }
  const integer = (key: string) => {
    const value = metadata.get(key)
    return typeof value === 'bigint' ? value : 0n
  }
  const ttlMs = Number(integer('ttl_ms'))
  return {
    ...{ tenant, database, name, id },
    owner: text('owner'),
    process: {
      pid: Number(integer('pid')),
      host: text('host'),
      startTime: text('process_start') || null,
      boot: text('boot') || null,
      pidNamespace: text('pid_namespace') || null,
    },
    runId: text('run'),
    phase: text('phase'),
    beat: integer('beat'),
    ttlMs: ttlMs > 0 && ttlMs <= MAX_TTL_MS ? ttlMs : DEFAULT_LOCK_TTL_MS,
    since: text('since'),
    lastBeat: text('last_beat'),
    token: text('token'),
  }
}

function oneLine(text: string): string {
  const line = text.replace(/\p{Cc}+/gu, ' ')
  const bytes = Buffer.from(line)
  if (bytes.length <= MAX_TEXT_BYTES) return line
  // A character that is cut in two becomes U+FFFD, up to two of them.
  return (
    bytes
      .subarray(0, MAX_TEXT_BYTES - 4)
      .toString('utf8')
      .replace(/\uFFFD+$/, '') + '…'
  )
}
