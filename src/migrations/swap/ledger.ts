import type { ChromaApi } from '../../chroma/api.js'
import { readByIds, spoolIds } from '../../chroma/read-by-ids.js'
import { ServerCollectionWriter } from '../../chroma/server-sink.js'
import { isJsonArray, parseJson } from '../../core/json.js'
import type { CollectionDefinition, RecordBatch } from '../../core/records.js'
import { PartedSpool, partsFor } from './parted-spool.js'
import { DIGEST_LENGTH } from './record-digests.js'

/** What is known of one record. */
export interface LedgerEntry {
  /** The digest of the source's record that was copied; null: none, or it is being replaced. */
  readonly source: string | null
  /** The digest of what was written for it; null: the map has left it out, or it was deleted. */
  readonly target: string | null
}

export interface LedgerJob {
  readonly api: ChromaApi
  /** Where the entries are kept; null: nowhere but here. */
  readonly collection: CollectionDefinition | null
  readonly tempDir: string
  /** About how many records there are. */
  readonly expected: number
  readonly signal: AbortSignal
}

/** Documents of Chroma Cloud take 16 KiB. */
const DOCUMENT_BYTES = 12_000
const NONE = '-'.repeat(DIGEST_LENGTH)
const VALUE_LENGTH = 2 * DIGEST_LENGTH
const ID_DIGITS = 8

/**
 * What was copied, by the digests of the record before and after: on disk for this run, and in a collection of
 * its own on the server, for the next run and for the way back. An entry is added after what it tells was
 * written, so that one which a crash has prevented means only that a record is copied once more.
 */
export class Ledger {
  readonly #spool: PartedSpool
  readonly #writer: ServerCollectionWriter | null
  readonly #signal: AbortSignal
  #next: number
  #pending: Promise<void> = Promise.resolve()

  private constructor(spool: PartedSpool, job: LedgerJob, next: number) {
    this.#spool = spool
    this.#writer = job.collection === null ? null : new ServerCollectionWriter(job.api, job.collection)
    this.#signal = job.signal
    this.#next = next
  }

  /** With what the collection holds already. The caller disposes of it. */
  static async open(job: LedgerJob): Promise<Ledger> {
    const spool = await PartedSpool.create(job.tempDir, partsFor(job.expected), VALUE_LENGTH)
    try {
      return new Ledger(spool, job, job.collection === null ? 0 : await load(job, job.collection, spool))
    } catch (error) {
      await spool.dispose()
      throw error
    }
  }

  get parts(): number {
    return this.#spool.parts
  }

  /** A later entry of the same id counts. On the server when {@link flush} has resolved. */
  async add(entries: readonly (readonly [id: string, entry: LedgerEntry])[]): Promise<void> {
    if (entries.length === 0) return
    const values = entries.map(([id, entry]) => [id, valueOf(entry)] as const)
    await this.#spool.add(values)
    await this.#pending
    if (this.#writer === null) return
    const batch = documentsOf(values, this.#next)
    this.#next += batch.ids.length
    this.#pending = this.#writer.write(batch, this.#signal)
    // Awaited by the next call; until then a failure must not count as unhandled.
    this.#pending.catch(() => {})
  }

  async flush(): Promise<void> {
    await this.#pending
  }

  /** Records that were left out are there, those that were deleted are not. */
  async read(part: number): Promise<Map<string, LedgerEntry>> {
    const entries = new Map<string, LedgerEntry>()
    for (const [id, value] of await this.#spool.read(part)) {
      const entry = entryOf(value)
      if (entry.source !== null || entry.target !== null) entries.set(id, entry)
    }
    return entries
  }

  /** A spool whose parts hold the same ids as those of this. */
  async spoolLike(folder: string): Promise<PartedSpool> {
    return PartedSpool.create(folder, this.parts, DIGEST_LENGTH)
  }

  async dispose(): Promise<void> {
    await Promise.allSettled([this.#pending])
    await this.#spool.dispose()
  }
}

/** What is known of these ids. */
export async function entriesFor(
  ledger: Ledger,
  wanted: ReadonlySet<string>,
): Promise<ReadonlyMap<string, LedgerEntry>> {
  const found = new Map<string, LedgerEntry>()
  for (let part = 0; part < ledger.parts; part++)
    for (const [id, entry] of await ledger.read(part)) if (wanted.has(id)) found.set(id, entry)
  return found
}

/** For the way back: what was written is the source now, what was copied the target. */
export function turned(entries: ReadonlyMap<string, LedgerEntry>): ReadonlyMap<string, LedgerEntry> {
  return new Map([...entries].map(([id, { source, target }]) => [id, { source: target, target: source }]))
}

/** The same for what is written into a ledger. */
export function turnedLedger(ledger: Ledger): Pick<Ledger, 'add' | 'flush'> {
  return {
    add: async (entries) => ledger.add([...turned(new Map(entries))]),
    flush: async () => ledger.flush(),
  }
}

/** Returns the number of the next document. */
async function load(job: LedgerJob, collection: CollectionDefinition, spool: PartedSpool): Promise<number> {
  const { api, tempDir, signal } = job
  const list = await spoolIds({ api, collection, window: api.mostPerRequest, signal }, tempDir)
  try {
    const ids: string[] = []
    for await (const piece of list.read()) ids.push(...piece)
    // Two writes may have arrived in another order.
    ids.sort()
    const records = readByIds({ api, collection, vectors: false, concurrency: 2, signal }, inPieces(ids))
    for await (const { documents } of records)
      for (const document of documents) await spool.add(valuesIn(document ?? '[]'))
    return Number(ids.at(-1) ?? -1) + 1
  } finally {
    await list.dispose()
  }
}

async function* inPieces(ids: readonly string[]): AsyncGenerator<readonly string[]> {
  if (ids.length > 0) yield ids
}

function valuesIn(document: string): (readonly [string, string])[] {
  const lines = parseJson(document)
  if (!isJsonArray(lines)) return []
  return lines.flatMap((line) =>
    typeof line === 'string' ? [[line.slice(VALUE_LENGTH), line.slice(0, VALUE_LENGTH)] as const] : [],
  )
}

function documentsOf(values: readonly (readonly [string, string])[], first: number): RecordBatch {
  const documents: string[] = []
  let lines: string[] = []
  let bytes = 0
  for (const [id, value] of values) {
    const line = value + id
    const added = Buffer.byteLength(JSON.stringify(line)) + 1
    if (lines.length > 0 && bytes + added > DOCUMENT_BYTES) {
      documents.push(JSON.stringify(lines))
      lines = []
      bytes = 0
    }
    lines.push(line)
    bytes += added
  }
  documents.push(JSON.stringify(lines))
  const nothing = documents.map(() => null)
  return {
    ids: documents.map((_, at) => String(first + at).padStart(ID_DIGITS, '0')),
    dimension: 1,
    embeddings: new Float32Array(documents.length).fill(1),
    missingEmbeddings: [],
    documents,
    uris: nothing,
    metadatas: nothing,
  }
}

function valueOf({ source, target }: LedgerEntry): string {
  return (source ?? NONE) + (target ?? NONE)
}

function entryOf(value: string): LedgerEntry {
  const [source, target] = [value.slice(0, DIGEST_LENGTH), value.slice(DIGEST_LENGTH)]
  return { source: source === NONE ? null : source, target: target === NONE ? null : target }
}
