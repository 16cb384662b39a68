import * as v from 'valibot'

import { BlobNotFoundError } from '../storage/blob-store.js'
import { parseBackupId } from './backup-id.js'
import { decodeDocument, encodeDocument } from './documents.js'
import { DocumentDamagedError, ManifestDamagedError, RepositoryUnsupportedError } from './errors.js'
import { decodeHead, FORMAT, manifestKey, needsSchema, refuseUnknown, type BackupHead } from './manifest.js'
import type { Repository } from './repository.js'

/** A backup that was removed, and can be put back until it is purged. */
export interface TrashedBackup {
  readonly id: string
  readonly series: string
  /** ISO 8601, by the clock of the store when it was put here. */
  readonly trashed: string
  readonly actor: string
  readonly host: string
  /** One sentence. */
  readonly why: string
  /** The stored bytes of the manifest, as they were. */
  readonly manifest: Uint8Array
  /** Null when the manifest is damaged, or too new. */
  readonly head: BackupHead | null
}

/** An entry of the trash that cannot be read. */
export interface DamagedTrash {
  readonly id: string
  readonly damaged: DocumentDamagedError | RepositoryUnsupportedError
}

const schema = v.object({
  backup: v.string(),
  actor: v.string(),
  host: v.string(),
  why: v.string(),
  manifest: v.pipe(v.string(), v.base64()),
})

export function trashKey(id: string): string {
  return `trash/${id}.json`
}

/** Takes `backups/<id>.json` away, after a copy is safe in the trash. */
export async function writeTrash(
  repository: Repository,
  removal: { readonly id: string; readonly actor: string; readonly host: string; readonly why: string },
  signal?: AbortSignal,
): Promise<void> {
  const { store } = repository
  const { bytes } = await store.get(manifestKey(removal.id), { signal })
  const { id: backup, ...rest } = removal
  const manifest = Buffer.from(bytes).toString('base64')
  const document = { format: FORMAT, requires: [], backup, ...rest, manifest }
  const key = trashKey(backup)
  await store.put(key, encodeDocument(repository, 'trash', key, document), signal)
}

/** Everything that is in the trash and not among `listed`, the backups that are still there. */
export async function listTrash(
  repository: Repository,
  listed: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<readonly (TrashedBackup | DamagedTrash)[]> {
  const found: (TrashedBackup | DamagedTrash)[] = []
  for await (const { key, modified } of repository.store.list('trash/', signal)) {
    const id = /^trash\/(.+)\.json$/.exec(key)?.[1] ?? ''
    // A removal that was stopped between its two steps: the backup is still there, and counts.
    if (parseBackupId(id) === null || listed.has(id)) continue
    const entry = await readTrash(repository, id, modified, signal)
    if (entry !== null) found.push(entry)
  }
  return found
}

/** Null when it is not in the trash. */
export async function readTrash(
  repository: Repository,
  id: string,
  modified: Date,
  signal?: AbortSignal,
): Promise<TrashedBackup | DamagedTrash | null> {
  const read = async () =>
    decode(repository, id, modified, (await repository.store.get(trashKey(id), { signal })).bytes)
  try {
    return await read()
  } catch (error) {
    if (error instanceof BlobNotFoundError) return null
    if (error instanceof DocumentDamagedError || error instanceof RepositoryUnsupportedError)
      return { id, damaged: error }
    throw error
  }
}

function decode(repository: Repository, id: string, modified: Date, bytes: Uint8Array): TrashedBackup {
  const key = trashKey(id)
  const document = decodeDocument(repository, 'trash', key, bytes)
  const needs = v.safeParse(needsSchema, document)
  if (needs.success) refuseUnknown(key, needs.output)
  const parsed = v.safeParse(schema, document)
  if (!parsed.success || parsed.output.backup !== id)
    throw new DocumentDamagedError(key, 'is not a removed backup')
  const { manifest: base64, ...rest } = parsed.output
  const manifest = Buffer.from(base64, 'base64')
  return {
    id,
    series: parseBackupId(id)?.series ?? '',
    trashed: modified.toISOString(),
    actor: rest.actor,
    host: rest.host,
    why: rest.why,
    manifest,
    head: headOf(repository, id, manifest),
  }
}

function headOf(repository: Repository, id: string, manifest: Uint8Array): BackupHead | null {
  try {
    return decodeHead(repository, id, manifest)
  } catch (error) {
    if (error instanceof ManifestDamagedError || error instanceof RepositoryUnsupportedError) return null
    throw error
  }
}
