import type { Segment } from '../../datadir/data-directory.js'
import { findDatabaseNearby, type FolderFacts } from '../../datadir/inspect-folder.js'
import type { HealthLevel } from '../report.js'
import type { Observation } from './catalogue.js'
import { bytesText, countText, examplesText } from './figures.js'

/** What lies in the directory and belongs to no collection. */
export function folderObservations(
  { segmentFolders, foreign }: FolderFacts,
  segments: readonly Segment[],
  level: HealthLevel,
): readonly Observation[] {
  if (level === 'live') return []
  const known = new Set(segments.map(({ id }) => id))
  const orphans = segmentFolders.filter(({ name }) => !known.has(name))
  const observations: Observation[] = []
  if (orphans.length > 0) {
    const bytes = orphans.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0)
    const names = orphans.map(({ name }) => name)
    observations.push({
      id: 'ORPHAN_FOLDERS',
      evidence: `${countText(orphans.length, 'folder')} with ${bytesText(bytes)}: ${examplesText(names, names.length)}`,
    })
  }
  const strange = [
    // A link to the folder of an index is followed by the server.
    ...foreign.filter((name) => !known.has(name)),
    ...segmentFolders.flatMap(({ name, foreign: files }) => files.map((file) => `${name}/${file}`)),
  ]
  if (strange.length > 0)
    observations.push({ id: 'FOREIGN_FILES', evidence: examplesText(strange, strange.length) })
  return observations
}

/** A directory without a database, and where one is instead. */
export async function missingDatabase(directory: string, folder: FolderFacts | null): Promise<Observation> {
  const nearby = await findDatabaseNearby(directory)
  const where = nearby.length === 0 ? '' : `; there is one in ${nearby.slice(0, 3).join(' and in ')}`
  if (folder === null)
    return { id: 'NO_DATABASE', evidence: `${directory} does not exist or is not a directory${where}` }
  const indexes = folder.segmentFolders.length
  const left = indexes === 0 ? '' : `, only ${countText(indexes, 'folder')} of indexes`
  return { id: 'NO_DATABASE', evidence: `there is no chroma.sqlite3 in ${directory}${left}${where}` }
}
