import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'

import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { OpsError } from '../../src/core/errors.js'
import { silentProgress } from '../../src/core/progress.js'
import { displayName } from '../../src/core/records.js'
import { checkHealth } from '../../src/health/check-health.js'
import type { DirectoryReport } from '../../src/health/offline/directory-report.js'
import type { HealthReport } from '../../src/health/report.js'
import { newCollection } from './api-for-suite.js'
import { startChroma } from './chroma-server.js'

export interface Load {
  /** How long the writers write before the server is killed. */
  readonly afterMs: number
  /** Floats per vector: the more, the longer it takes to save an index. */
  readonly dimension: number
  /** The fewer, the more often an index is saved. */
  readonly syncThreshold: number
  readonly random: () => number
}

/** A directory whose server was killed with SIGKILL while three writers added, updated and deleted records. */
export async function killedDirectory(load: Load): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'chroma-ops-killed-'))
  const chroma = await startChroma({ directory })
  const transport = await connectTransport({ url: chroma.url, retry: { maxRetries: 0 } })
  const api = new ChromaApi(transport)
  const collections = await Promise.all(
    (['l2', 'cosine', 'ip'] as const).map((space) =>
      newCollection(api, { name: `written-${space}`, hnsw: { space, sync_threshold: load.syncThreshold } }),
    ),
  )
  let killed = false
  const writers = collections.map(async (collection) => {
    try {
      for (let first = 0; !killed; first += 15) {
        await api.upsert(collection, records(Math.max(0, first - 5), 20, load))
        if (first % 45 === 0)
          await api.deleteRecords(collection, records(Math.floor(load.random() * (first + 1)), 9, load).ids)
      }
    } catch (error) {
      if (!killed || !(error instanceof OpsError)) throw error
    }
  })
  await setTimeout(load.afterMs)
  killed = true
  await chroma.kill()
  await Promise.all(writers)
  await transport.close()
  return directory
}

/** What a server finds that is started on a copy of the directory and reads every vector. */
export async function exhaustively(directory: string): Promise<HealthReport> {
  const copy = path.join(await mkdtemp(path.join(tmpdir(), 'chroma-ops-truth-')), 'data')
  await cp(directory, copy, { recursive: true })
  const chroma = await startChroma({ directory: copy })
  try {
    return await checkHealth({
      server: { url: chroma.url },
      level: 'deep',
      scope: { tenants: ['default_tenant'], databases: null, selection: { include: [], exclude: [] } },
      progress: silentProgress,
    })
  } finally {
    await chroma.kill()
    await rm(path.dirname(copy), { recursive: true, force: true })
  }
}

/** Where the view without a server is wrong about what a server then finds; empty when it is right. */
export function mistakes(offline: DirectoryReport, truth: HealthReport): readonly string[] {
  return offline.collections.flatMap((collection) => {
    const name = displayName(collection)
    const seen = truth.collections.find((candidate) => displayName(candidate) === name)
    if (seen === undefined) return [`${name}: the server does not list it`]
    const isCritical = offline.findings.some(
      (finding) => finding.collection === name && finding.severity === 'critical',
    )
    const told: string[] = []
    if (!isCritical && seen.status !== 'ok')
      told.push(`${name}: well by its files, ${seen.status} by the server`)
    if (seen.status === 'ok' && isCritical) told.push(`${name}: critical by its files, well by the server`)
    if (seen.records !== null && seen.records !== collection.records)
      told.push(`${name}: ${collection.records} records by its files, ${seen.records} by the server`)
    const { lost, undecided } = seen.vectors
    const { lost: counted } = collection.vectors
    if (counted < lost || counted > lost + undecided)
      told.push(`${name}: ${counted} lost by its files, ${lost} to ${lost + undecided} by the server`)
    return told
  })
}

function records(first: number, count: number, { dimension, random }: Load) {
  const numbers = Array.from({ length: count }, (_, index) => first + index)
  return {
    ids: numbers.map((number) => `id${number}`),
    dimension,
    embeddings: Float32Array.from({ length: count * dimension }, () => random() - 0.5),
    missingEmbeddings: [],
    documents: numbers.map((number) => `document ${number}`),
    uris: numbers.map(() => null),
    metadatas: numbers.map((number) => new Map([['number', BigInt(number)]])),
  }
}
