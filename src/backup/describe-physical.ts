import type { Snapshot } from '../datadir/snapshot.js'
import type { ProvenCollection, SnapshotProof } from '../datadir/snapshot-proof.js'
import { FORMAT, PHYSICAL, type BackupHead, type CollectionEntry } from './manifest.js'
import type { PhysicalBackupJob } from './physical-job.js'
import type { WrittenFileTable } from './write-file-table.js'

export interface FinishedPhysicalBackup {
  readonly job: PhysicalBackupJob
  readonly id: string
  readonly started: Date
  readonly parent: string | null
  readonly snapshot: Snapshot
  readonly proof: SnapshotProof
  readonly written: WrittenFileTable
  readonly logicalBytes: number
  readonly addedBytes: number
}

/** The manifest of a physical backup of which everything else is stored. */
export function describePhysicalBackup(backup: FinishedPhysicalBackup): BackupHead {
  const { job, id, started, parent, snapshot, proof, written } = backup
  const finished = job.now()
  const { entries } = written
  const isWhole = proof.problems.length === 0 && entries.every(({ status }) => status === 'complete')
  const { releases, sysdb, metadb, embeddingsQueue } = proof.fingerprint
  return {
    format: FORMAT,
    requires: [PHYSICAL],
    id,
    series: job.series,
    type: 'physical',
    status: isWhole ? 'complete' : 'partial',
    created: started.toISOString(),
    finished: finished.toISOString(),
    durationMs: Math.max(0, finished.getTime() - started.getTime()),
    parent,
    target: { url: job.directory, fingerprint: { releases, sysdb, metadb, embeddingsQueue } },
    scope: { tenants: proof.tenants, databases: null, collections: [], exclude: [] },
    tool: { name: 'chroma-ops', version: job.toolVersion },
    host: job.host,
    actor: job.actor,
    tags: job.tags,
    counts: {
      collections: entries.length,
      failedCollections: entries.filter(({ status }) => status === 'failed').length,
      records: entries.reduce((sum, { records }) => sum + records, 0),
      missingVectors: entries.reduce((sum, { missingVectors }) => sum + missingVectors, 0),
    },
    sizes: {
      logical: backup.logicalBytes,
      stored: written.objects.reduce((sum, { size }) => sum + size, 0),
      added: backup.addedBytes,
    },
    consistency: {
      kind: snapshot.consistency,
      added: 0,
      removed: 0,
      missing: 0,
      collectionsAdded: 0,
      collectionsRemoved: 0,
    },
    contents: written.contents,
  }
}

/** A collection as the manifest lists it; its records are in the files. */
export function entryOf({ definition, records, missingVectors, problem }: ProvenCollection): CollectionEntry {
  const { tenant, database, name, id, dimension } = definition
  return {
    tenant,
    database,
    name,
    id,
    status: problem === null && missingVectors === 0 ? 'complete' : 'incomplete',
    records,
    dimension,
    missingVectors,
    logicalBytes: records * (dimension ?? 0) * Float32Array.BYTES_PER_ELEMENT,
    digest: null,
    consistency: { added: 0, removed: 0, missing: 0 },
    error:
      problem === null
        ? null
        : { code: missingVectors > 0 ? 'VECTORS_LOST' : 'INDEX_DAMAGED', message: problem },
    catalogue: [],
  }
}
