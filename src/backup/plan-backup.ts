import { displayName } from '../core/records.js'
import type { BackupJob, BackupPlan, PlannedBackupCollection } from './backup-job.js'
import { readCollections } from './contents.js'
import { refusalOf, refusalWithoutParent } from './guards.js'
import { findScope, typeOf } from './scope.js'

/** For id, document and metadata, when there is no earlier backup to learn from. */
const GUESSED_PAYLOAD_BYTES = 400

/** What a backup with the same job would do. Counts records, reads none, writes nothing. */
export async function planBackup(job: BackupJob): Promise<BackupPlan> {
  const { isWhole, collections: definitions, previous, parent } = await findScope(job)
  const withoutParent = refusalWithoutParent(job.type, parent)
  const earlier = previous === null ? [] : await readCollections(job.repository, previous, job.signal)
  const bytesPerRecord = new Map(
    earlier.flatMap((entry) =>
      entry.records === 0 ? [] : [[displayName(entry), entry.logicalBytes / entry.records]],
    ),
  )
  const collections: PlannedBackupCollection[] = []
  for (const definition of definitions) {
    const { tenant, database, name, dimension } = definition
    const { expectedRecords } = await job.source.openCollection(definition, job.signal)
    const guess = (dimension ?? 0) * 4 + GUESSED_PAYLOAD_BYTES
    const logicalBytes = Math.round(expectedRecords * (bytesPerRecord.get(displayName(definition)) ?? guess))
    collections.push({ tenant, database, name, records: expectedRecords, dimension, logicalBytes })
  }
  const records = collections.reduce((sum, collection) => sum + collection.records, 0)
  const refusal = refusalOf({
    scope: { ...job.scope, exclude: job.exclude ?? [] },
    collections: collections.length,
    records,
    previous: isWhole ? previous : null,
    sourceUrl: job.target.url,
    allowEmpty: job.allowEmpty,
    allowShrink: job.allowShrink,
  })
  return {
    series: job.series,
    type: typeOf(isWhole, parent),
    parent: parent?.id ?? null,
    collections,
    records,
    logicalBytes: collections.reduce((sum, collection) => sum + collection.logicalBytes, 0),
    previous: previous && {
      id: previous.id,
      records: previous.counts.records,
      durationMs: previous.durationMs,
    },
    refusals: [withoutParent, refusal].flatMap((each) =>
      each === null ? [] : [{ code: each.code, message: each.message }],
    ),
  }
}
