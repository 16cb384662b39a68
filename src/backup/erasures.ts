import { createHmac, randomBytes } from 'node:crypto'

import * as v from 'valibot'

import { throwIfAborted } from '../core/errors.js'
import { displayName, type CollectionName } from '../core/records.js'
import { decodeDocument, encodeDocument } from './documents.js'
import { DocumentDamagedError, ErasuresDamagedError } from './errors.js'
import { FORMAT, needsSchema, refuseUnknown, type BackupHead } from './manifest.js'
import { digestSchema, sha256Hex } from './object-reference.js'
import type { Repository } from './repository.js'

/** A collection as it was when records of it were erased. */
export interface ErasedCollection extends CollectionName {
  /** The id that the source gave it; it outlives a rename. */
  readonly id: string
}

export interface ErasureJob {
  readonly repository: Repository
  readonly ids: readonly string[]
  readonly collections: readonly ErasedCollection[]
  /** Backups that are in the repository now, whatever their clocks say. */
  readonly backups: readonly BackupHead[]
  readonly actor: string
  readonly now: () => Date
  readonly signal?: AbortSignal | undefined
}

/** The ids of one collection that a restore leaves out. */
export interface ErasedIds {
  has(id: string): boolean
  /** Equal for equal sets of erasures. */
  readonly digest: string
}

const PREFIX = 'erased/'
const SALT_BYTES = 32
const HASH_DIGITS = 32
/** Keeps a document at about 3.5 MB. */
const IDS_IN_A_DOCUMENT = 100_000

const documentSchema = v.object({
  format: v.literal(FORMAT),
  requires: v.array(v.string()),
  erased: v.pipe(v.string(), v.isoTimestamp()),
  actor: v.string(),
  salt: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  collections: v.array(
    v.object({ tenant: v.string(), database: v.string(), name: v.string(), id: v.string() }),
  ),
  backups: v.array(v.string()),
  ids: v.array(digestSchema),
})

type ErasureDocument = v.InferOutput<typeof documentSchema>

/**
 * Records in the repository that these records were erased, so that restores leave them out. Only hashes of the
 * ids are kept. Rejects with an {@link ErasuresDamagedError} or an error of the store.
 */
export async function recordErasure(job: ErasureJob): Promise<void> {
  const { repository, collections, backups, actor, now, signal } = job
  const [known] = await readDocuments(repository, signal)
  const salt = known?.salt ?? randomBytes(SALT_BYTES).toString('hex')
  const erased = now()
  const later = backups.filter(({ created }) => Date.parse(created) > erased.getTime()).map(({ id }) => id)
  const stamp = erased.toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const run = randomBytes(4).toString('hex')
  for (let at = 0, part = 1; at < job.ids.length; at += IDS_IN_A_DOCUMENT, part++) {
    throwIfAborted(signal)
    const document: ErasureDocument = {
      format: FORMAT,
      requires: [],
      erased: erased.toISOString(),
      actor,
      salt,
      collections: collections.map(({ tenant, database, name, id }) => ({ tenant, database, name, id })),
      backups: later,
      ids: job.ids.slice(at, at + IDS_IN_A_DOCUMENT).map((id) => hashOf(salt, id)),
    }
    const key = `${PREFIX}${stamp}-${run}-${part}.json`
    await repository.store.putNew(key, encodeDocument(repository, 'erasure', key, document), signal)
  }
}

/** Everything that was erased, as far as the repository knows. */
export class Erasures {
  readonly #documents: readonly ErasureDocument[]

  private constructor(documents: readonly ErasureDocument[]) {
    this.#documents = documents
  }

  /** Rejects with an {@link ErasuresDamagedError}. */
  static async read(repository: Repository, signal?: AbortSignal): Promise<Erasures> {
    return new Erasures(await readDocuments(repository, signal))
  }

  /**
   * What was erased from a collection of a backup, null when nothing was. A backup that began after the erasure
   * holds such a record only because somebody has added it again: nothing is left out of it.
   */
  in(head: BackupHead, collection: ErasedCollection): ErasedIds | null {
    const name = displayName(collection)
    const concerned = this.#documents.filter(
      ({ erased, backups, collections }) =>
        (Date.parse(head.created) <= Date.parse(erased) || backups.includes(head.id)) &&
        collections.some((each) => each.id === collection.id || displayName(each) === name),
    )
    if (concerned.length === 0) return null
    const bySalt = new Map<string, Set<string>>()
    for (const { salt, ids } of concerned) {
      const hashes = bySalt.get(salt) ?? new Set()
      for (const hash of ids) hashes.add(hash)
      bySalt.set(salt, hashes)
    }
    const all = [...bySalt.values()].flatMap((hashes) => [...hashes]).sort()
    return {
      has: (id) => [...bySalt].some(([salt, hashes]) => hashes.has(hashOf(salt, id))),
      digest: sha256Hex(Buffer.from(all.join('\n'))).slice(0, HASH_DIGITS),
    }
  }
}

async function readDocuments(
  repository: Repository,
  signal: AbortSignal | undefined,
): Promise<readonly ErasureDocument[]> {
  const { store } = repository
  const documents: ErasureDocument[] = []
  for await (const { key } of store.list(PREFIX, signal)) {
    const read = async () => decode(repository, key, (await store.get(key, { signal })).bytes)
    try {
      documents.push(await read())
    } catch (error) {
      // Once more, for the network and the disk err too.
      if (!(error instanceof ErasuresDamagedError)) throw error
      documents.push(await read())
    }
  }
  return documents
}

function decode(repository: Repository, key: string, bytes: Uint8Array): ErasureDocument {
  const decoded = decodeBytes(repository, key, bytes)
  const needs = v.safeParse(needsSchema, decoded)
  if (needs.success) refuseUnknown(key, needs.output)
  const document = v.safeParse(documentSchema, decoded)
  if (!document.success) throw new ErasuresDamagedError(`${key} is not a list of erased records`)
  return document.output
}

function decodeBytes(repository: Repository, key: string, bytes: Uint8Array): unknown {
  try {
    return decodeDocument(repository, 'erasure', key, bytes)
  } catch (error) {
    if (!(error instanceof DocumentDamagedError)) throw error
    throw new ErasuresDamagedError(error.message, error)
  }
}

function hashOf(salt: string, id: string): string {
  return createHmac('sha256', Buffer.from(salt, 'hex')).update(id, 'utf8').digest('hex').slice(0, HASH_DIGITS)
}
