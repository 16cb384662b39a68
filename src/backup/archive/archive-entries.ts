import { mapInOrder } from '../../core/map-in-order.js'
import type { Progress } from '../../core/progress.js'
import { BlobNotFoundError } from '../../storage/blob-store.js'
import { objectsOf } from '../backup-objects.js'
import { LATER_TAGS } from '../backup-marks.js'
import { checksumFault } from '../documents.js'
import { DocumentDamagedError } from '../errors.js'
import { manifestKey, type BackupHead } from '../manifest.js'
import { ObjectReader } from '../object-reader.js'
import { objectKey, sha256Hex, type ObjectReference } from '../object-reference.js'
import type { Repository } from '../repository.js'
import { unsealJson } from '../sealed-json.js'

/** Objects that are read ahead: the store's answers are waited for side by side. */
const READ_AHEAD = 4

/** The last file of an archive: a line for each of the others, as `sha256sum` writes it. */
export const SUMS = 'SHA256SUMS'

/** A file of an archive. */
export interface ArchiveEntry {
  readonly name: string
  readonly bytes: Uint8Array
}

export interface ArchiveEntriesJob {
  readonly repository: Repository
  readonly head: BackupHead
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

/**
 * The files of a repository that holds this one backup, as they are stored: a description of the repository, the
 * manifest, what belongs to it, every object that it needs, the manifest again, and the checksums of all. The order
 * and the bytes depend on nothing else. Every object is checked. Memory: some objects.
 *
 * Rejects with an ObjectDamagedError (13) or an error of the store.
 */
export async function* archiveEntries(job: ArchiveEntriesJob): AsyncGenerator<ArchiveEntry> {
  const { repository, head } = job
  const manifest = await read(job, manifestKey(head.id))
  const sums = new Map<string, string>()
  const add = (name: string, bytes: Uint8Array, sha256 = sha256Hex(bytes)): ArchiveEntry => {
    sums.set(name, sha256)
    return { name, bytes }
  }
  yield add('repo.json', await read(job, 'repo.json', true))
  yield add(manifestKey(head.id), manifest)
  for (const name of await keysIn(job, 'keys/')) yield add(name, await read(job, name, true))
  for (const name of await keysIn(job, 'erased/')) yield add(name, await read(job, name))
  const tagsKey = `${LATER_TAGS.folder}/${head.id}.json`
  const tags = await readIfThere(job, tagsKey)
  if (tags !== null) yield add(tagsKey, tags)
  const reader = new ObjectReader({ repository, backup: head.id, progress: job.progress })
  let bytesDone = 0
  const tell = (state?: 'done') => {
    job.progress.update({
      task: 'export',
      phase: 'read',
      done: bytesDone,
      total: state === 'done' ? bytesDone : Math.max(head.sizes.stored, bytesDone),
      unit: 'bytes',
      ...(state !== undefined && { state }),
    })
  }
  const stored = async (reference: ObjectReference, signal: AbortSignal) => ({
    reference,
    bytes: await reader.readStored(reference, { collection: null, signal }),
  })
  for await (const { reference, bytes } of mapInOrder(eachOnce(job), READ_AHEAD, stored, job.signal)) {
    yield add(objectKey(reference), bytes, reference.sha256)
    bytesDone += bytes.length
    tell()
  }
  tell('done')
  yield { name: manifestKey(head.id), bytes: manifest }
  const lines = [...sums].map(([name, sha256]) => `${sha256}  ${name}\n`)
  yield { name: SUMS, bytes: Buffer.from(lines.join('')) }
}

async function* eachOnce({ repository, head, signal }: ArchiveEntriesJob): AsyncGenerator<ObjectReference> {
  const seen = new Set<string>()
  for await (const reference of objectsOf(repository, head, { signal })) {
    const key = objectKey(reference)
    if (seen.has(key)) continue
    seen.add(key)
    yield reference
  }
}

async function keysIn({ repository, signal }: ArchiveEntriesJob, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of repository.store.list(prefix, signal)) keys.push(key)
  return keys
}

/** The bytes of a document, found right. `isPlain`: also where the repository is encrypted. */
async function read(
  { repository: { store, cipher }, signal }: ArchiveEntriesJob,
  key: string,
  isPlain = false,
): Promise<Uint8Array> {
  const attempt = async () => {
    const { bytes } = await store.get(key, { signal })
    return { bytes, fault: cipher === null || isPlain ? sealFault(bytes) : checksumFault(bytes) }
  }
  const first = await attempt()
  // Once more, for the network and the disk err too.
  const { bytes, fault } = first.fault === null ? first : await attempt()
  if (fault !== null) throw new DocumentDamagedError(key, fault)
  return bytes
}

function sealFault(bytes: Uint8Array): string | null {
  const unsealed = unsealJson(bytes)
  return 'damage' in unsealed ? unsealed.damage : null
}

async function readIfThere(job: ArchiveEntriesJob, key: string): Promise<Uint8Array | null> {
  try {
    return await read(job, key)
  } catch (error) {
    if (error instanceof BlobNotFoundError) return null
    throw error
  }
}
