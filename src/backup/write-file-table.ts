import { encodeFileTable, type FileTable } from './file-table.js'
import type { BackupContents, CollectionEntry, ContentsLocation } from './manifest.js'
import { objectKey, type ObjectReference } from './object-reference.js'
import { ObjectTable } from './object-table.js'
import type { ObjectWriter } from './object-writer.js'
import type { ParentFiles } from './parent-files.js'
import { placeContents } from './backup-writer.js'

export interface WrittenFileTable {
  readonly entries: readonly CollectionEntry[]
  readonly contents: BackupContents | ContentsLocation
  /** Everything the backup needs in the store. */
  readonly objects: readonly ObjectReference[]
}

/** Stores the table of files, unless the parent has the same, and what the manifest says of the contents. */
export async function writeFileTable(job: {
  readonly table: FileTable
  readonly entries: readonly CollectionEntry[]
  readonly objects: ObjectWriter
  readonly parent: ParentFiles | null
}): Promise<WrittenFileTable> {
  const { table, entries, objects, parent } = job
  const pending = parent?.tableLike(table) ?? (await objects.append('contents', [encodeFileTable(table)]))
  await objects.finish()
  const references = new ObjectTable()
  const files = references.extents(pending)
  const needed = new Map(
    [...table.objects, ...references.references].map((reference) => [objectKey(reference), reference]),
  )
  const contents = await placeContents(
    { objects: references.references, collections: entries, files },
    objects,
    needed,
  )
  return { entries, contents, objects: [...needed.values()] }
}
