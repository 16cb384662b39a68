import type { ChromaApi } from '../../chroma/api.js'
import { readAll } from '../../chroma/read-by-ids.js'
import type { CollectionDefinition } from '../../core/records.js'
import type { Ledger } from './ledger.js'
import { digestRows, samePayload, sameRecord } from './record-digests.js'

export interface DifferenceJob {
  readonly api: ChromaApi
  readonly collection: CollectionDefinition
  readonly ledger: Ledger
  /** Which side of the ledger the collection is compared with. */
  readonly side: 'source' | 'target'
  /** False: by document, URI and metadata alone. */
  readonly vectors: boolean
  readonly concurrency: number
  readonly tempDir: string
  readonly signal: AbortSignal
  readonly onRead?: (records: number) => void
}

/** What a collection has otherwise than the ledger says. */
export interface Differences {
  /** Not in the ledger. */
  readonly added: readonly string[]
  readonly changed: readonly string[]
  /** In the ledger alone. */
  readonly gone: readonly string[]
  /** Digests of those that were added or changed. */
  readonly digests: ReadonlyMap<string, string>
  /** Records in this part of the collection. */
  readonly records: number
}

/** Reads the whole collection; then the differences come part by part, in bounded memory. */
export async function* differences(job: DifferenceJob): AsyncGenerator<Differences, void, undefined> {
  const { ledger, side, tempDir, onRead } = job
  const spool = await ledger.spoolLike(tempDir)
  try {
    for await (const batch of readAll(job)) {
      const digests = digestRows(batch)
      await spool.add(batch.ids.map((id, row) => [id, digests[row] ?? '']))
      onRead?.(batch.ids.length)
    }
    for (let part = 0; part < spool.parts; part++) {
      const there = await spool.read(part)
      const known = new Map<string, string>()
      for (const [id, entry] of await ledger.read(part)) {
        // A record that was about to be replaced counts as changed: no digest is empty.
        const digest = side === 'source' ? (entry.source ?? '') : entry.target
        if (digest !== null) known.set(id, digest)
      }
      yield differencesOf(there, known, job.vectors ? sameRecord : samePayload)
    }
  } finally {
    await spool.dispose()
  }
}

function differencesOf(
  there: ReadonlyMap<string, string>,
  known: ReadonlyMap<string, string>,
  same: (a: string, b: string) => boolean,
): Differences {
  const added: string[] = []
  const changed: string[] = []
  const digests = new Map<string, string>()
  for (const [id, digest] of there) {
    const before = known.get(id)
    if (before !== undefined && same(before, digest)) continue
    digests.set(id, digest)
    if (before === undefined) added.push(id)
    else changed.push(id)
  }
  const gone = [...known.keys()].filter((id) => !there.has(id))
  return { added, changed, gone, digests, records: there.size }
}
