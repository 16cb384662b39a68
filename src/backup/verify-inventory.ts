import { displayName } from '../core/records.js'
import type { Catalogue } from './catalogue.js'
import { readCatalogue } from './catalogue-reader.js'
import { readContents } from './contents.js'
import { ObjectDamagedError } from './errors.js'
import { readFileTable, type FileTable } from './file-table.js'
import { findingOf, type Finding } from './finding.js'
import type { BackupContents, BackupHead } from './manifest.js'
import type { ObjectReader } from './object-reader.js'
import { objectKey, type ObjectReference } from './object-reference.js'
import type { Repository } from './repository.js'

/** What a backup consists of. */
export interface Inventory {
  /** By display name; those that could not be read are in the findings. */
  readonly catalogues: ReadonlyMap<string, Catalogue>
  /** Of a physical backup; null when it has none or it could not be read. */
  readonly table: FileTable | null
  /** Objects with records or blocks of files, by key. */
  readonly objects: ReadonlyMap<string, InventoryObject>
  /** Objects that were read and verified to find this out, by key. */
  readonly read: ReadonlyMap<string, ObjectReference>
  readonly findings: readonly Finding[]
}

export interface InventoryObject {
  readonly reference: ObjectReference
  /** Display names of the collections that need it. */
  readonly collections: string[]
}

export async function takeInventory(job: {
  readonly repository: Repository
  readonly head: BackupHead
  readonly reader: ObjectReader
  readonly signal?: AbortSignal | undefined
}): Promise<Inventory> {
  const catalogues = new Map<string, Catalogue>()
  const objects = new Map<string, InventoryObject>()
  const findings: Finding[] = []
  const contents = await contentsOf(job, findings)
  const read = new Map(
    [...job.head.contents.objects, ...contents.objects].map((reference) => [objectKey(reference), reference]),
  )
  const table = await tableOf(job, contents, findings)
  for (const reference of table?.objects ?? [])
    objects.set(objectKey(reference), { reference, collections: [] })
  if (contents.files !== undefined) return { catalogues, table, objects, read, findings }
  const named = new Map<string, Finding & { readonly collections: string[] }>()
  for (const entry of contents.collections) {
    if (entry.status === 'failed') continue
    const collection = displayName(entry)
    try {
      const catalogue = await readCatalogue(job.reader, contents, entry, job.signal)
      catalogues.set(collection, catalogue)
      for (const reference of catalogue.objects) addUser(objects, reference, collection)
    } catch (error) {
      if (!(error instanceof ObjectDamagedError)) throw error
      const known = named.get(error.key)
      if (known === undefined) named.set(error.key, { ...findingOf(error, []), collections: [collection] })
      else known.collections.push(collection)
    }
  }
  return { catalogues, table, objects, read, findings: [...findings, ...named.values()] }
}

async function tableOf(
  { head, reader, signal }: Parameters<typeof takeInventory>[0],
  contents: BackupContents,
  findings: Finding[],
): Promise<FileTable | null> {
  if (contents.files === undefined) return null
  try {
    return await readFileTable(reader, head, contents, signal)
  } catch (error) {
    if (!(error instanceof ObjectDamagedError)) throw error
    findings.push(findingOf(error, []))
    return null
  }
}

async function contentsOf(
  { repository, head, signal }: Parameters<typeof takeInventory>[0],
  findings: Finding[],
): Promise<BackupContents> {
  try {
    return await readContents(repository, head, signal)
  } catch (error) {
    if (!(error instanceof ObjectDamagedError)) throw error
    findings.push(findingOf(error, []))
    return { objects: [], collections: [] }
  }
}

function addUser(
  objects: Map<string, InventoryObject>,
  reference: ObjectReference,
  collection: string,
): void {
  const key = objectKey(reference)
  const known = objects.get(key)
  if (known === undefined) objects.set(key, { reference, collections: [collection] })
  else known.collections.push(collection)
}
