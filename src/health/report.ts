import type { PoolStats } from '../chroma/connection-pool.js'
import type { ServerFingerprint } from '../chroma/fingerprint.js'
import { ExitCode } from '../core/exit-code.js'
import type { CollectionName, Space } from '../core/records.js'

/**
 * `live`: the server answers. `ready`: every collection gives back a few vectors and answers a query.
 * `deep`: every vector of every collection is read.
 */
export type HealthLevel = 'live' | 'ready' | 'deep'

/** `critical`: data cannot be read, or is lost. `degraded`: look at it soon. */
export type HealthStatus = 'ok' | 'degraded' | 'critical'

/** `info` does not change the status. */
export type Severity = 'info' | 'warning' | 'critical'

export interface HealthFinding {
  /** Stable, machine-readable: `VECTORS_LOST`. */
  readonly id: string
  readonly severity: Severity
  /** `tenant/database/name`; null when it concerns the server. */
  readonly collection: string | null
  /** What was seen. */
  readonly evidence: string
  /** What it means for those who use the server. */
  readonly consequence: string
  /** What to do, in words. */
  readonly advice: string
  /** A command that mends it or finds out more; words in capitals are to be filled in. */
  readonly command: string | null
}

export interface CollectionHealth extends CollectionName {
  readonly id: string
  /** `unchecked`: the deadline came first. */
  readonly status: HealthStatus | 'unchecked'
  /** Null when the server did not say. */
  readonly records: number | null
  readonly dimension: number | null
  readonly space: Space
  readonly vectors: {
    /** Records whose vectors were asked for. */
    readonly checked: number
    /** Of these, how many surely have none any more. */
    readonly lost: number
    /** How many more of them may have lost theirs: after many losses single records are not looked at. */
    readonly undecided: number
    /** At most 20. */
    readonly lostIds: readonly string[]
  }
  /** Of a query with a stored vector; null when there was none to ask with. */
  readonly query: { readonly hits: number; readonly expected: number } | null
  /** Milliseconds of the first request of its kind; null when it was not made or failed. */
  readonly latencyMs: {
    readonly count: number | null
    readonly read: number | null
    readonly query: number | null
  }
}

export interface HealthReport {
  readonly status: HealthStatus
  readonly level: HealthLevel
  /** Of the server, without credentials. */
  readonly url: string
  /** ISO 8601. */
  readonly startedAt: string
  readonly durationMs: number
  readonly reachable: boolean
  /** Milliseconds of one heartbeat. */
  readonly heartbeatMs: number | null
  /** Null below `ready`. */
  readonly fingerprint: ServerFingerprint | null
  /** Records in one request, as the server advises. */
  readonly maxBatchSize: number | null
  /** `tenant/database`, all that were looked at. */
  readonly databases: readonly string[]
  readonly collections: readonly CollectionHealth[]
  /** Critical ones first. */
  readonly findings: readonly HealthFinding[]
  readonly pool: PoolStats | null
}

export function statusOf(findings: readonly Pick<HealthFinding, 'severity'>[]): HealthStatus {
  if (findings.some(({ severity }) => severity === 'critical')) return 'critical'
  return findings.some(({ severity }) => severity === 'warning') ? 'degraded' : 'ok'
}

export function healthExitCode({ status }: Pick<HealthReport, 'status'>): ExitCode {
  switch (status) {
    case 'ok':
      return ExitCode.ok
    case 'degraded':
      return ExitCode.findings
    case 'critical':
      return ExitCode.critical
  }
}

const RANK = { critical: 0, warning: 1, info: 2 } as const

export function bySeverity(findings: readonly HealthFinding[]): readonly HealthFinding[] {
  return [...findings].sort((a, b) => RANK[a.severity] - RANK[b.severity])
}
