import { objectsOf } from './backup-objects.js'
import { listBackups, readableHeads } from './list-backups.js'
import { objectKey } from './object-reference.js'
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
    // What cannot be read is in the findings of whoever verifies that backup.
    const references = objectsOf(repository, head, { onDamage: () => {}, signal })
    for await (const reference of references) needed.add(objectKey(reference))
    for (const [key, ids] of users) if (needed.has(key)) ids.push(head.id)
  }
  return users
}
