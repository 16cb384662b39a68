import * as v from 'valibot'

import { displayName } from '../core/records.js'
import { ObjectDamagedError } from './errors.js'
import { contentsSchema, type BackupContents, type BackupHead, type CollectionEntry } from './manifest.js'
import { ObjectReader } from './object-reader.js'
import { objectKey } from './object-reference.js'
import type { Repository } from './repository.js'

/**
 * The collections of a backup, with where their catalogues are. Rejects with an {@link ObjectDamagedError}.
 */
export async function readContents(
  repository: Repository,
  head: BackupHead,
  signal?: AbortSignal,
): Promise<BackupContents> {
  const { contents } = head
  if ('collections' in contents) return contents
  const reader = new ObjectReader({ repository, backup: head.id })
  const text = await reader.readExtents(contents.objects, contents.document, { collection: null, signal })
  const parsed = v.safeParse(contentsSchema, jsonOf(text))
  if (parsed.success) return parsed.output
  const key = contents.objects.map(objectKey).join(' ')
  const damage = { key, backup: head.id, collection: null }
  throw new ObjectDamagedError('inconsistent', damage, 'is not a list of collections')
}

/** The collections of a backup, sorted by tenant, database and name. */
export async function readCollections(
  repository: Repository,
  head: BackupHead,
  signal?: AbortSignal,
): Promise<readonly CollectionEntry[]> {
  return (await readContents(repository, head, signal)).collections
}

/** By display name, for backups with very many collections. */
export function entriesByName({ collections }: BackupContents): ReadonlyMap<string, CollectionEntry> {
  return new Map(collections.map((entry) => [displayName(entry), entry]))
}

function jsonOf(text: Buffer): unknown {
  return JSON.parse(text.toString('utf8'))
}
