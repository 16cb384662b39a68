import type { ChromaApi } from '../chroma/api.js'
import { CollectionNotFoundError } from '../chroma/errors.js'
import { spaceOf } from '../chroma/space.js'
import { throwIfAborted } from '../core/errors.js'
import type { Progress } from '../core/progress.js'
import type { CollectionDefinition } from '../core/records.js'
import { ask, CheckFailed, type CollectionProbe } from './ask.js'
import { checkDefinition } from './check-definition.js'
import { checkQuery, queryFinding } from './check-query.js'
import { lossFinding, readAllVectors, sampleVectors } from './check-vectors.js'
import { nothingRead, type VectorsRead } from './read-vectors.js'
import { statusOf, type CollectionHealth, type HealthFinding } from './report.js'

export interface CollectionCheck {
  readonly api: ChromaApi
  readonly collection: CollectionDefinition
  readonly url: string
  readonly level: 'ready' | 'deep'
  /** For one request. */
  readonly limitMs: number
  /** Fires when there is no time left for more collections. */
  readonly deadline: AbortSignal
  readonly progress: Progress
  readonly signal: AbortSignal | undefined
}

export interface CheckedCollection {
  readonly health: CollectionHealth
  readonly findings: readonly HealthFinding[]
}

/** Null when the collection was deleted meanwhile. Rejects only with AbortedError, when `signal` fires. */
export async function checkCollection(job: CollectionCheck): Promise<CheckedCollection | null> {
  const { collection, deadline, signal } = job
  const probe = { ...job, signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]) }
  const checkup = new Checkup(collection)
  try {
    await examine(probe, checkup)
    return checkup.result()
  } catch (error) {
    throwIfAborted(signal)
    if (error instanceof CollectionNotFoundError) return null
    if (deadline.aborted) return checkup.result({ unfinished: true })
    if (!(error instanceof CheckFailed)) throw error
    checkup.findings.push(error.finding)
    return checkup.result()
  }
}

async function examine(probe: CollectionCheck & CollectionProbe, checkup: Checkup): Promise<void> {
  const { api, collection, level, progress } = probe
  const count = await ask(probe, 'count', (signal) => api.count(collection, signal))
  checkup.records = count.value
  checkup.latencyMs.count = count.ms
  if (count.value === 0) return

  checkup.vectors =
    level === 'deep'
      ? await readAllVectors(probe, count.value, progress)
      : await sampleVectors(probe, count.value)
  const { example, ms } = checkup.vectors
  checkup.latencyMs.read = ms
  const loss = lossFinding(probe, checkup.vectors, count.value)
  if (loss !== undefined) checkup.findings.push(loss)
  checkup.findings.push(...checkDefinition(collection, example))
  if (example === null) return

  const { query, ms: queryMs } = await checkQuery(probe, example, count.value)
  checkup.query = query
  checkup.latencyMs.query = queryMs
  const incomplete = queryFinding(probe, query)
  // Lost vectors explain it.
  if (incomplete !== undefined && loss === undefined) checkup.findings.push(incomplete)
}

/** What is known of a collection so far. */
class Checkup {
  readonly findings: HealthFinding[] = []
  readonly latencyMs: { count: number | null; read: number | null; query: number | null } = {
    count: null,
    read: null,
    query: null,
  }
  records: number | null = null
  vectors: VectorsRead = nothingRead
  query: CollectionHealth['query'] = null
  readonly #collection: CollectionDefinition

  constructor(collection: CollectionDefinition) {
    this.#collection = collection
  }

  result({ unfinished = false } = {}): CheckedCollection {
    const { id, tenant, database, name, dimension } = this.#collection
    const status = statusOf(this.findings)
    const { checked, lost, undecided } = this.vectors
    return {
      health: {
        tenant,
        database,
        name,
        id,
        status: unfinished && status === 'ok' ? 'unchecked' : status,
        records: this.records,
        dimension,
        space: spaceOf(this.#collection),
        vectors: { checked, lost: lost.length, undecided, lostIds: lost.slice(0, LISTED_IDS) },
        query: this.query,
        latencyMs: this.latencyMs,
      },
      findings: this.findings,
    }
  }
}

const LISTED_IDS = 20
