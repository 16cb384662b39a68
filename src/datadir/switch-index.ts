import { readFile, rename, stat } from 'node:fs/promises'
import path from 'node:path'

import { isErrno, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import type { DataDirectory } from './data-directory.js'
import { openHnswIndex, PICKLE_FILE } from './hnsw-index.js'
import { configWithSettings, schemaWithSettings, type IndexSettings } from './index-settings.js'
import { parseIndexPickle } from './pickle.js'
import { maxSeqIdOf, seqIdOf } from './seq-id.js'
import type { Database } from './sqlite.js'
import { syncFolder } from './sync-folder.js'

/** An index was built that does not have what it must; nothing was changed. */
export class IndexNotBuiltError extends OpsError {
  override readonly code = 'INDEX_NOT_BUILT'
  override readonly exitCode = ExitCode.integrity
}

/** The settings of the collection are kept in a form that is not changed. */
export class SettingsNotChangeableError extends OpsError {
  override readonly code = 'SETTINGS_NOT_CHANGEABLE'
  override readonly exitCode = ExitCode.notSupported
}

export interface SwitchIndexJob {
  /** Open for writing; nobody works on it. */
  readonly data: DataDirectory
  readonly collectionId: string
  /** A folder on the same file system, with the files of a saved index; its name is the id of the new segment. */
  readonly built: string
  /** Null: as they are. */
  readonly settings: IndexSettings | null
}

/** Rejects with an {@link IndexNotBuiltError} unless the index is whole and has exactly these ids. */
export async function requireWholeIndex(folder: string, ids: ReadonlySet<string>): Promise<void> {
  const pickle = await readFile(path.join(folder, PICKLE_FILE)).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT'))
      throw new IndexNotBuiltError('the new index was not saved', { cause: error })
    throw error
  })
  const { idToLabel } = parseIndexPickle(pickle)
  const missing = [...ids].filter((id) => !idToLabel.has(id)).length
  const index = await openHnswIndex(folder)
  try {
    const links = await index.walkLinks()
    if (missing > 0 || idToLabel.size !== ids.size || index.header.elements < ids.size)
      throw new IndexNotBuiltError(`the new index has ${idToLabel.size} of ${ids.size} records`)
    if (links.problem !== null) throw new IndexNotBuiltError(`the new index is damaged: ${links.problem}`)
  } finally {
    await index.close()
  }
}

/**
 * Puts a newly built index in the place of a collection's. The collection keeps its id and its records; the
 * vector segment gets another id, so that one transaction switches over: killed before it, the old index is in
 * use and the new folder belongs to nobody; after it, the other way round. Returns the folder of the old index,
 * which is left as it was.
 */
export async function switchIndex(job: SwitchIndexJob): Promise<string | null> {
  const { data, collectionId, built, settings } = job
  const { database } = data
  const segment = path.basename(built)
  const old = data.segments.find((each) => each.collectionId === collectionId && each.scope === 'VECTOR')
  if (old === undefined) throw new IndexNotBuiltError(`collection ${collectionId} has no vector segment`)
  const target = path.join(data.path, segment)
  database.exec('PRAGMA foreign_keys = OFF')
  database.exec('BEGIN IMMEDIATE')
  try {
    const position = positionOf(data, collectionId)
    if (settings !== null) changeSettings(database, collectionId, old.id, settings)
    database.run('UPDATE segments SET id = ? WHERE id = ?', segment, old.id)
    database.run('UPDATE segment_metadata SET segment_id = ? WHERE segment_id = ?', segment, old.id)
    database.run('DELETE FROM max_seq_id WHERE segment_id = ?', old.id)
    database.run('INSERT INTO max_seq_id (segment_id, seq_id) VALUES (?, ?)', segment, position)
    // The files first: a database that names a folder that is not there would lose every vector.
    await rename(built, target)
    await syncFolder(data.path)
    database.exec('COMMIT')
  } catch (error) {
    database.exec('ROLLBACK')
    throw error
  }
  const left = path.join(data.path, old.id)
  return (await isThere(left)) ? left : null
}

/** The new index has everything that was written: also what is still in the log. */
function positionOf({ database, segments }: DataDirectory, collectionId: string): bigint {
  const log = database.get(
    'SELECT max(seq_id) AS newest FROM embeddings_queue WHERE substr(topic, -36) = ?',
    collectionId,
  )
  const positions = [
    seqIdOf(log?.['newest']) ?? 0n,
    ...segments
      .filter((each) => each.collectionId === collectionId)
      .map(({ id }) => maxSeqIdOf(database, id) ?? 0n),
  ]
  return positions.reduce((highest, position) => (position > highest ? position : highest))
}

function changeSettings(
  database: Database,
  collectionId: string,
  segment: string,
  settings: IndexSettings,
): void {
  if (database.get('SELECT 1 FROM segment_metadata WHERE segment_id = ?', segment) !== undefined)
    throw new SettingsNotChangeableError('the collection keeps its settings as Chroma before 1.0 did', {
      hint: 'rebuild it with the settings it has, or restore it from a backup into a new collection',
    })
  const row = database.get('SELECT * FROM collections WHERE id = ?', collectionId)
  const [schema, config] = [row?.['schema_str'], row?.['config_json_str']]
  const newSchema = typeof schema === 'string' ? schemaWithSettings(schema, settings) : null
  const newConfig = typeof config === 'string' ? configWithSettings(config, settings) : null
  if (newSchema === null && newConfig === null)
    throw new SettingsNotChangeableError('the collection does not say how its index is built', {
      hint: 'rebuild it with the settings it has',
    })
  if (newSchema !== null)
    database.run('UPDATE collections SET schema_str = ? WHERE id = ?', newSchema, collectionId)
  if (newConfig !== null)
    database.run('UPDATE collections SET config_json_str = ? WHERE id = ?', newConfig, collectionId)
}

async function isThere(file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}
