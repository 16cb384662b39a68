import { objectsOf } from './backup-objects.js'
import { placeContents } from './backup-writer.js'
import { encodeCatalogue } from './catalogue.js'
import { readCatalogue } from './catalogue-reader.js'
import { commitBackup } from './commit.js'
import { readContents } from './contents.js'
import { encodeFileTable, readFileTable } from './file-table.js'
import type { BackupContents, BackupHead, CollectionEntry } from './manifest.js'
import type { ObjectCopier } from './object-copier.js'
import { ObjectReader } from './object-reader.js'
import { objectKey, type Extent, type ObjectReference } from './object-reference.js'
import { ObjectTable } from './object-table.js'
import { ObjectWriter, type PendingExtent } from './object-writer.js'
import type { Repository } from './repository.js'

export interface CopyOneJob {
  readonly from: Repository
  readonly to: Repository
  readonly copier: ObjectCopier
  readonly head: BackupHead
  readonly concurrency: number
  /** Asked right before the commit: rejects when somebody may have removed meanwhile what was copied. */
  readonly confirm: () => Promise<void>
  readonly signal?: AbortSignal | undefined
}

/** Copies a backup whose stored bytes may stay as they are; `done`: catalogues of which all objects are there. */
export async function copyVerbatim(job: CopyOneJob, done: Set<string>): Promise<void> {
  const { from, to, copier, head, confirm, signal } = job
  await copier.copyAll(head.id, objectsOf(from, head, { skip: done, signal }))
  await confirm()
  await commitBackup(to, head, signal)
}

/**
 * Copies a backup into a repository with another key, or none: every object is written anew, and what refers to
 * objects too. `catalogues`: where those that were written before are, by their place in the source.
 */
export async function copyAnew(
  job: CopyOneJob,
  catalogues: Map<string, readonly PendingExtent[]>,
): Promise<void> {
  const { from, to, head, concurrency, signal } = job
  const contents = await readContents(from, head, signal)
  const writer = new ObjectWriter({ repository: to, backup: head.id, concurrency, signal })
  const needed = new Map<string, ObjectReference>()
  try {
    const written =
      contents.files === undefined
        ? await catalogueContents(job, contents, { writer, needed, catalogues })
        : await fileContents(job, contents, { writer, needed, catalogues })
    const placed = await placeContents(written, writer, needed)
    await job.confirm()
    await commitBackup(to, { ...head, contents: placed, sizes: sizesOf(head, needed) }, signal)
  } finally {
    await writer.settle()
  }
}

interface Writing {
  readonly writer: ObjectWriter
  readonly needed: Map<string, ObjectReference>
  readonly catalogues: Map<string, readonly PendingExtent[]>
}

async function catalogueContents(
  job: CopyOneJob,
  contents: BackupContents,
  { writer, needed, catalogues }: Writing,
): Promise<BackupContents> {
  const { from, head, copier, signal } = job
  const reader = new ObjectReader({ repository: from, backup: head.id })
  const pending: { entry: CollectionEntry; extents: readonly PendingExtent[] }[] = []
  for (const entry of contents.collections) {
    if (entry.status === 'failed') {
      pending.push({ entry, extents: [] })
      continue
    }
    const catalogue = await readCatalogue(reader, contents, entry, signal)
    const objects = await copier.copyEach(head.id, catalogue.objects)
    for (const reference of objects) needed.set(objectKey(reference), reference)
    const place = placeOf(contents.objects, entry.catalogue)
    const extents =
      catalogues.get(place) ??
      (await writer.append('catalogue', [encodeCatalogue({ ...catalogue, objects })]))
    catalogues.set(place, extents)
    pending.push({ entry, extents })
  }
  await writer.finish()
  const table = new ObjectTable()
  const collections = pending.map(({ entry, extents }) => ({ ...entry, catalogue: table.extents(extents) }))
  for (const reference of table.references) needed.set(objectKey(reference), reference)
  return { objects: table.references, collections }
}

async function fileContents(
  { from, head, copier, signal }: CopyOneJob,
  contents: BackupContents,
  { writer, needed }: Writing,
): Promise<BackupContents> {
  const reader = new ObjectReader({ repository: from, backup: head.id })
  const files = await readFileTable(reader, head, contents, signal)
  const objects = await copier.copyEach(head.id, files.objects)
  for (const reference of objects) needed.set(objectKey(reference), reference)
  const pending = await writer.append('contents', [encodeFileTable({ ...files, objects })])
  await writer.finish()
  const table = new ObjectTable()
  const extents = table.extents(pending)
  for (const reference of table.references) needed.set(objectKey(reference), reference)
  return { objects: table.references, collections: contents.collections, files: extents }
}

/** Encrypted objects are longer than plain ones. */
function sizesOf(
  { id, sizes }: BackupHead,
  needed: ReadonlyMap<string, ObjectReference>,
): BackupHead['sizes'] {
  let [stored, added] = [0, 0]
  for (const { backup, size } of needed.values()) {
    stored += size
    if (backup === id) added += size
  }
  return { logical: sizes.logical, stored, added }
}

function placeOf(objects: readonly ObjectReference[], extents: readonly Extent[]): string {
  return extents
    .map(([index, offset, length]) => {
      const reference = objects[index]
      return `${reference === undefined ? '' : objectKey(reference)}:${offset}:${length}`
    })
    .join(' ')
}
