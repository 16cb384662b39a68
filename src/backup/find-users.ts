import { readCatalogue } from './catalogue-reader.js'
import { readContents } from './contents.js'
import { ObjectDamagedError } from './errors.js'
import { readFileTable } from './file-table.js'
import { listBackups, readableHeads } from './list-backups.js'
import type { BackupHead } from './manifest.js'
import { ObjectReader } from './object-reader.js'
import { objectKey, type ObjectReference } from './object-reference.js'
import type { Repository } from './repository.js'

/** For each of the keys the ids of the backups that need it. Reads all catalogues: only for when damage is found. */
export async function findBackupsUsing(
  repository: Repository,
  keys: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const users = new Map<string, string[]>([...keys].map((key) => [key, []]))
  for (const head of readableHeads(await listBackups(repository, { signal }))) {
    const needed = new Set<string>()
    for await (const reference of objectsOf(repository, head, signal)) needed.add(objectKey(reference))
    for (const [key, ids] of users) if (needed.has(key)) ids.push(head.id)
  }
  return users
}

/** Every object that a backup needs, as far as it can be read; some more than once. */
async function* objectsOf(
  repository: Repository,
  head: BackupHead,
  signal: AbortSignal | undefined,
): AsyncGenerator<ObjectReference> {
  yield* head.contents.objects
  const reader = new ObjectReader({ store: repository.store, backup: head.id })
  const contents = await unlessDamaged(readContents(repository, head, signal))
  if (contents === null) return
  yield* contents.objects
  if (contents.files !== undefined) {
    const table = await unlessDamaged(readFileTable(reader, head, contents, signal))
    yield* table?.objects ?? []
    return
  }
  for (const entry of contents.collections) {
    if (entry.status === 'failed') continue
    const catalogue = await unlessDamaged(readCatalogue(reader, contents, entry, signal))
    yield* catalogue?.objects ?? []
  }
}

async function unlessDamaged<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof ObjectDamagedError) return null
    throw error
  }
}
