import { displayName, type CollectionDefinition } from '../core/records.js'
import { throwIfAborted } from '../core/errors.js'
import { checkTables } from './check-tables.js'
import { openDataDirectory, type DataDirectory } from './data-directory.js'
import { inspectCollection } from './inspect-collection.js'
import type { MigrationFingerprint } from './migrations.js'

/** What a copy of a data directory was found to hold. */
export interface SnapshotProof {
  readonly fingerprint: MigrationFingerprint
  /** Every tenant of the directory. */
  readonly tenants: readonly string[]
  /** Sorted by tenant, database and name. */
  readonly collections: readonly ProvenCollection[]
  /** What is wrong with the database as a whole, one sentence each. */
  readonly problems: readonly string[]
}

export interface ProvenCollection {
  readonly definition: CollectionDefinition
  readonly records: number
  /** Records whose vector is neither in the index nor in the log. */
  readonly missingVectors: number
  /** What is wrong with it, else null. */
  readonly problem: string | null
}

/**
 * Reads a copy of a data directory that nobody works on: the pages of its database, and for every collection
 * whether each record has its vector. Rejects with a NotADataDirectoryError (10) or a DatabaseDamagedError (13)
 * when the database cannot even be opened.
 */
export async function proveDirectory(job: {
  readonly directory: string
  /** For a copy of a database that must be rolled back first. */
  readonly tempDir: string
  readonly signal?: AbortSignal | undefined
}): Promise<SnapshotProof> {
  const { directory, tempDir, signal } = job
  const opened = await openDataDirectory(directory, { tempDir })
  try {
    const { database, fingerprint } = opened
    const problems = (await checkTables(database, signal)).map((line) => `chroma.sqlite3: ${line}`)
    const tenants = database.all('SELECT id FROM tenants ORDER BY id').map((row) => String(row['id']))
    const collections: ProvenCollection[] = []
    for (const definition of opened.collections()) {
      throwIfAborted(signal)
      collections.push(await proveCollection(opened, definition, signal))
    }
    return { fingerprint, tenants, collections, problems }
  } finally {
    opened.close()
  }
}

async function proveCollection(
  directory: DataDirectory,
  definition: CollectionDefinition,
  signal: AbortSignal | undefined,
): Promise<ProvenCollection> {
  const facts = await inspectCollection({ directory, definition, thorough: false, live: false, signal })
  if (facts === null) throw new Error('a directory that nobody works on has changed')
  const { index, records, compared, missingSegments } = facts
  const problems = [
    ...missingSegments.map((scope) => `it has no ${scope} segment`),
    ...index.problems.filter(({ kind }) => kind !== 'links bloated').map(({ text }) => text),
    ...(records.lost > 0 ? [`${records.lost} records have no vector`] : []),
    ...(records.surplus > 0 ? [`${records.surplus} vectors have no record`] : []),
    ...(records.blocked === null ? [] : [`the log cannot be applied: ${records.blocked.why}`]),
  ]
  return {
    definition,
    records: records.records,
    missingVectors: compared ? records.lost : records.records,
    problem: problems.length === 0 ? null : `${displayName(definition)}: ${problems.join('; ')}`,
  }
}
