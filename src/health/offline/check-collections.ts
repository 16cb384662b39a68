import { setImmediate } from 'node:timers/promises'

import { spaceOf } from '../../chroma/space.js'
import { throwIfAborted } from '../../core/errors.js'
import type { Progress } from '../../core/progress.js'
import { displayName, type CollectionDefinition } from '../../core/records.js'
import type { DataDirectory } from '../../datadir/data-directory.js'
import { inspectCollection, type CollectionFacts } from '../../datadir/inspect-collection.js'
import { statusOf, type HealthLevel } from '../report.js'
import { directoryFinding, type Observation } from './catalogue.js'
import { collectionObservations } from './check-index.js'
import type { DirectoryCollection } from './directory-report.js'
import { bytesText } from './figures.js'

export interface CheckedCollections {
  readonly collections: readonly DirectoryCollection[]
  readonly indexes: { readonly memoryBytes: number }
  readonly observations: readonly Observation[]
}

export interface CollectionsJob {
  readonly directory: DataDirectory
  readonly definitions: readonly CollectionDefinition[]
  readonly level: HealthLevel
  /** A server writes, or may write. */
  readonly live: boolean
  /** Of the machine; null when not known. */
  readonly memoryBytes: number | null
  readonly progress: Progress
  readonly signal: AbortSignal | undefined
}

/** Every collection: whether its index is whole, and whether each record has its vector. */
export async function checkCollections(job: CollectionsJob): Promise<CheckedCollections> {
  const { directory, definitions, level, live, signal, progress } = job
  const observations: Observation[] = []
  const collections: DirectoryCollection[] = []
  for (const definition of definitions) {
    throwIfAborted(signal)
    if (level === 'live') {
      collections.push(unchecked(definition))
      continue
    }
    const facts = await inspectCollection({ directory, definition, thorough: level === 'deep', live, signal })
    const found = collectionObservations(definition, facts)
    observations.push(...found)
    collections.push(healthOf(definition, facts, found, directory.path))
    progress.update({
      task: displayName(definition),
      phase: 'verify',
      done: facts?.records.records ?? 0,
      unit: 'records',
      state: 'done',
    })
    await setImmediate()
  }
  const memoryBytes = collections.reduce((sum, { index }) => sum + (index?.memoryBytes ?? 0), 0)
  return {
    collections,
    indexes: { memoryBytes },
    observations: [...observations, ...memoryObservations(memoryBytes, job.memoryBytes)],
  }
}

function memoryObservations(needed: number, there: number | null): Observation[] {
  if (there === null || needed <= there) return []
  const evidence = `all indexes together need ${bytesText(needed)}, and the machine has ${bytesText(there)}`
  return [{ id: 'MEMORY_TOO_SMALL', evidence }]
}

function healthOf(
  definition: CollectionDefinition,
  facts: CollectionFacts | null,
  observations: readonly Observation[],
  directory: string,
): DirectoryCollection {
  if (facts === null) return unchecked(definition)
  const { index, records } = facts
  return {
    ...unchecked(definition),
    status: statusOf(observations.map((observation) => directoryFinding(directory, observation))),
    records: records.records,
    vectors: {
      saved: index.ids.size,
      inLog: records.vectorsInLog,
      lost: records.lost,
      lostIds: records.lostIds,
    },
    index:
      index.header === null
        ? null
        : {
            elements: index.header.elements,
            deleted: index.header.elements - index.ids.size,
            bytes: index.bytes,
            allocatedBytes: index.allocatedBytes,
            memoryBytes: index.memoryBytes,
          },
  }
}

function unchecked(definition: CollectionDefinition): DirectoryCollection {
  const { tenant, database, name, id, dimension } = definition
  return {
    tenant,
    database,
    name,
    id,
    status: 'unchecked',
    dimension,
    space: spaceOf(definition),
    records: null,
    vectors: { saved: 0, inLog: 0, lost: 0, lostIds: [] },
    index: null,
  }
}
