import { ChromaApi } from '../chroma/api.js'
import { connectTransport } from '../chroma/connect.js'
import { parseServerUrl } from '../chroma/server-url.js'
import type { PoolStats } from '../chroma/connection-pool.js'
import type { ServerOptions } from '../chroma/transport.js'
import { OpsError, throwIfAborted, UsageError } from '../core/errors.js'
import { isHousekeeping } from '../core/own-collections.js'
import { mapInOrder } from '../core/map-in-order.js'
import type { Progress } from '../core/progress.js'
import type { CollectionDefinition } from '../core/records.js'
import { checkCollection } from './check-collection.js'
import { checkLeftovers } from './check-leftovers.js'
import { checkServer, silent, unreachable, type ServerFacts } from './check-server.js'
import { serverFinding } from './findings.js'
import {
  bySeverity,
  statusOf,
  type CollectionHealth,
  type HealthFinding,
  type HealthLevel,
  type HealthReport,
} from './report.js'
import { collectionsInScope, type HealthScope } from './scope.js'

export interface HealthJob {
  /** Options open a connection for this check alone; an api is used and stays open. */
  readonly server: ServerOptions | ChromaApi
  readonly level: HealthLevel
  readonly scope: HealthScope
  /** For everything; default: 5 s, for `deep` none (null). */
  readonly deadlineMs?: number | null
  readonly progress: Progress
  readonly signal?: AbortSignal
}

/**
 * Reads, and never changes anything. What is wrong with the server or its data is a finding, also that
 * nobody answers. Rejects only with UsageError and with AbortedError, when `signal` fires.
 */
export async function checkHealth(job: HealthJob): Promise<HealthReport> {
  const deadlineMs = job.deadlineMs === undefined ? DEADLINE_MS[job.level] : job.deadlineMs
  const startedAt = new Date().toISOString()
  const started = performance.now()
  const examination = new Examination(job, deadlineMs)
  try {
    await examination.run()
  } finally {
    await examination.close()
  }
  const findings = bySeverity(examination.findings)
  return {
    status: statusOf(findings),
    level: job.level,
    url: examination.url,
    startedAt,
    durationMs: Math.round(performance.now() - started),
    reachable: examination.heartbeatMs !== null,
    heartbeatMs: examination.heartbeatMs,
    fingerprint: examination.facts?.fingerprint ?? null,
    maxBatchSize: examination.facts?.maxBatchSize ?? null,
    databases: examination.databases,
    collections: examination.collections,
    findings,
    pool: examination.pool,
  }
}

const DEADLINE_MS = { live: 5_000, ready: 5_000, deep: null } as const
/** For one request of `deep`: the first one to a big collection loads its index. */
const PATIENCE_MS = 60_000
/** Collections at a time; a blocked one must not keep the others from being looked at. */
const CONCURRENCY = { ready: 4, deep: 2 } as const

/** One run, with what it has found out so far. */
class Examination {
  readonly url: string
  readonly findings: HealthFinding[] = []
  heartbeatMs: number | null = null
  facts: ServerFacts | null = null
  databases: readonly string[] = []
  collections: readonly CollectionHealth[] = []
  pool: PoolStats | null = null
  readonly #job: HealthJob
  readonly #deadlineMs: number | null
  readonly #deadline: AbortSignal
  #api: ChromaApi | null = null

  constructor(job: HealthJob, deadlineMs: number | null) {
    this.#job = job
    this.#deadlineMs = deadlineMs
    this.#deadline = deadlineMs === null ? new AbortController().signal : AbortSignal.timeout(deadlineMs)
    this.url =
      job.server instanceof ChromaApi
        ? job.server.transport.displayUrl
        : parseServerUrl(job.server.url).displayUrl
  }

  async run(): Promise<void> {
    const { level, signal } = this.#job
    const untilDeadline = signal === undefined ? this.#deadline : AbortSignal.any([signal, this.#deadline])
    try {
      const api = await this.#reach(untilDeadline)
      if (level === 'live') return
      this.facts = await checkServer(api, untilDeadline)
      this.findings.push(...this.facts.findings)
      const scope = await collectionsInScope(api, this.#job.scope, untilDeadline)
      this.databases = scope.databases
      this.findings.push(...scope.findings, ...checkLeftovers(scope.collections, this.url, Date.now()))
      await this.#checkCollections(
        api,
        level,
        scope.collections.filter((collection) => !isHousekeeping(collection)),
      )
    } catch (error) {
      throwIfAborted(signal)
      if (this.#deadline.aborted) this.findings.push(silent(this.url, this.#deadlineMs ?? 0))
      else if (error instanceof OpsError && !(error instanceof UsageError))
        this.findings.push(unreachable(error))
      else throw error
    }
  }

  /** An api that was lent stays open. */
  async close(): Promise<void> {
    this.pool = this.#api?.transport.stats.pool ?? null
    if (!(this.#job.server instanceof ChromaApi)) await this.#api?.transport.close()
  }

  async #reach(signal: AbortSignal): Promise<ChromaApi> {
    const { server } = this.#job
    this.#api =
      server instanceof ChromaApi
        ? server
        : new ChromaApi(await connectTransport({ ...hurried(server, this.#deadlineMs), signal }))
    const before = performance.now()
    await this.#api.heartbeat(signal)
    this.heartbeatMs = Math.round(performance.now() - before)
    return this.#api
  }

  async #checkCollections(
    api: ChromaApi,
    level: 'ready' | 'deep',
    collections: readonly CollectionDefinition[],
  ): Promise<void> {
    const { progress, signal } = this.#job
    // Two that block, one after the other, still leave a report in time.
    const limitMs = this.#deadlineMs === null ? PATIENCE_MS : this.#deadlineMs / 2
    const check = (collection: CollectionDefinition) =>
      checkCollection({
        api,
        collection,
        url: this.url,
        level,
        limitMs,
        deadline: this.#deadline,
        progress,
        signal,
      })
    const done: CollectionHealth[] = []
    const report = (state?: 'done') => {
      if (level === 'deep') return
      const task = {
        task: 'collections',
        phase: 'verify',
        done: done.length,
        total: collections.length,
      } as const
      progress.update({ ...task, unit: 'objects', ...(state === undefined ? {} : { state }) })
    }
    for await (const checked of mapInOrder(each(collections), CONCURRENCY[level], check, signal)) {
      if (checked === null) continue
      done.push(checked.health)
      this.findings.push(...checked.findings)
      report()
    }
    report('done')
    this.collections = done
    const unchecked = done.filter(({ status }) => status === 'unchecked').length
    if (unchecked > 0) this.findings.push(outOfTime(unchecked, done.length, this.#deadlineMs ?? 0))
  }
}

/** So that what is wrong is known, and told, before the deadline. */
function hurried(server: ServerOptions, deadlineMs: number | null): ServerOptions {
  const retry = { maxRetries: 2, baseDelayMs: 250, ...server.retry }
  if (deadlineMs === null) return { ...server, retry }
  const connectTimeoutMs = Math.min(server.connectTimeoutMs ?? deadlineMs, deadlineMs * 0.6)
  return { ...server, connectTimeoutMs, retry: { deadlineMs: deadlineMs * 0.9, ...retry } }
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

function outOfTime(unchecked: number, all: number, deadlineMs: number): HealthFinding {
  return serverFinding({
    id: 'DEADLINE_PASSED',
    severity: 'warning',
    evidence: `${unchecked} of ${all} collections were not looked at within ${deadlineMs / 1000} s`,
    consequence: 'Nothing is known of them.',
    advice: 'give the check more time with --timeout, or name the collections that matter with --collection',
    command: null,
  })
}
