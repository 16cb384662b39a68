import type { BackupJob } from './backup-job.js'
import type { WrittenContents } from './backup-writer.js'
import { FORMAT, LAYERS, type BackupConsistency, type BackupHead, type CollectionEntry } from './manifest.js'

export interface FinishedBackup {
  readonly job: BackupJob
  readonly id: string
  readonly type: 'full' | 'incremental' | 'collection'
  readonly started: Date
  readonly parent: string | null
  readonly written: WrittenContents
  readonly addedBytes: number
  readonly collectionsAdded: number
  readonly collectionsRemoved: number
}

/** The manifest of a backup of which everything else is stored. */
export function describeBackup(backup: FinishedBackup): BackupHead {
  const { job, id, type, started, parent, written } = backup
  const finished = job.now()
  const { entries } = written
  const isComplete = entries.every(({ status }) => status === 'complete')
  return {
    format: FORMAT,
    requires: written.layered ? [LAYERS] : [],
    id,
    series: job.series,
    type,
    status: isComplete && !(job.isDoubtful?.() ?? false) ? 'complete' : 'partial',
    created: started.toISOString(),
    finished: finished.toISOString(),
    durationMs: Math.max(0, finished.getTime() - started.getTime()),
    parent,
    target: job.target,
    scope: { ...job.scope, collections: job.collections ?? [], exclude: job.exclude ?? [] },
    tool: { name: 'chroma-ops', version: job.toolVersion },
    host: job.host,
    actor: job.actor,
    tags: job.tags,
    counts: {
      collections: entries.length,
      failedCollections: entries.filter(({ status }) => status === 'failed').length,
      records: sum(entries, ({ records }) => records),
      missingVectors: sum(entries, ({ missingVectors }) => missingVectors),
    },
    sizes: {
      logical: sum(entries, ({ logicalBytes }) => logicalBytes),
      stored: [...written.objects.values()].reduce((bytes, { size }) => bytes + size, 0),
      added: backup.addedBytes,
    },
    consistency: consistencyOf(backup),
    contents: written.contents,
  }
}

function consistencyOf({ written, collectionsAdded, collectionsRemoved }: FinishedBackup): BackupConsistency {
  const added = sum(written.entries, ({ consistency }) => consistency?.added ?? 0)
  const removed = sum(written.entries, ({ consistency }) => consistency?.removed ?? 0)
  const missing = sum(written.entries, ({ consistency }) => consistency?.missing ?? 0)
  const changes = added + removed + missing + collectionsAdded + collectionsRemoved
  const kind = changes === 0 ? 'quiesced' : 'fuzzy'
  return { kind, added, removed, missing, collectionsAdded, collectionsRemoved }
}

function sum(entries: readonly CollectionEntry[], figure: (entry: CollectionEntry) => number): number {
  return entries.reduce((total, entry) => total + figure(entry), 0)
}
