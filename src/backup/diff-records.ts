import { IdSpool } from '../chroma/id-spool.js'
import { throwIfAborted } from '../core/errors.js'
import { readIndex, type PlacedRow } from './read-index.js'
import type { RowGroupReadJob } from './row-group-reader.js'

/** Records held in memory at once while what is left over is compared. */
const ROWS_IN_MEMORY = 200_000
const MOST_PARTS = 64
/** Of two digests, in hexadecimal digits. */
const DIGITS = 64

export interface DiffRecordsJob {
  readonly before: RowGroupReadJob
  readonly after: RowGroupReadJob
  /** Ids to give of each kind, at most. */
  readonly examples: number
  readonly tempDir: string
  /** Called with how many rows of the later state have been compared. */
  readonly onRows: (rows: number) => void
  readonly signal?: AbortSignal | undefined
}

export interface RecordsDiff {
  readonly added: number
  readonly removed: number
  /** Those with another payload, another vector, or both. */
  readonly changed: number
  /** Document, uri or metadata. */
  readonly changedPayloads: number
  readonly changedVectors: number
  readonly examples: {
    readonly added: readonly string[]
    readonly removed: readonly string[]
    readonly changed: readonly string[]
  }
}

/**
 * What became of the records of a collection, by their digests; vectors and documents are not read. Whatever the order
 * of both; little is spooled to a temporary folder while it is the same. Memory: some 100,000 records. Rejects with an
 * ObjectDamagedError or a TempFileError.
 */
export async function diffRecords(job: DiffRecordsJob): Promise<RecordsDiff> {
  const findings = new Findings(job.examples)
  const parts =
    1 + Math.floor(Math.max(job.before.catalogue.records, job.after.catalogue.records) / ROWS_IN_MEMORY)
  const rest = new LeftOver(job.tempDir, Math.min(MOST_PARTS, parts))
  const before = rowsOf(readIndex(job.before))
  try {
    let earlier = await before.next()
    let rows = 0
    for await (const page of readIndex(job.after)) {
      throwIfAborted(job.signal)
      for (const row of page) {
        while (earlier.done !== true && earlier.value.id !== row.id) {
          await rest.add('before', earlier.value)
          earlier = await before.next()
        }
        if (earlier.done === true) await rest.add('after', row)
        else {
          findings.compare(row.id, digitsOf(earlier.value), digitsOf(row))
          earlier = await before.next()
        }
      }
      rows += page.length
      job.onRows(rows)
    }
    for (; earlier.done !== true; earlier = await before.next()) await rest.add('before', earlier.value)
    await rest.compare(findings)
    return findings.result()
  } finally {
    await before.return(undefined)
    await rest.dispose()
  }
}

async function* rowsOf(pages: AsyncIterable<readonly PlacedRow[]>): AsyncGenerator<PlacedRow, undefined> {
  for await (const page of pages) yield* page
  return undefined
}

function digitsOf({ payload, vector }: PlacedRow): string {
  return payload.toString('hex') + vector.toString('hex')
}

class Findings {
  readonly #most: number
  readonly #counts = { added: 0, removed: 0, changed: 0, changedPayloads: 0, changedVectors: 0 }
  readonly #examples = {
    added: new Array<string>(),
    removed: new Array<string>(),
    changed: new Array<string>(),
  }

  constructor(most: number) {
    this.#most = most
  }

  count(kind: 'added' | 'removed' | 'changed', id: string): void {
    this.#counts[kind]++
    const examples = this.#examples[kind]
    if (examples.length < this.#most) examples.push(id)
  }

  compare(id: string, before: string, after: string): void {
    if (before === after) return
    this.count('changed', id)
    if (before.slice(0, DIGITS / 2) !== after.slice(0, DIGITS / 2)) this.#counts.changedPayloads++
    if (before.slice(DIGITS / 2) !== after.slice(DIGITS / 2)) this.#counts.changedVectors++
  }

  result(): RecordsDiff {
    return { ...this.#counts, examples: this.#examples }
  }
}

/** Records that did not meet in order, on disk, spread by a hash of the id so that equal ids meet. */
class LeftOver {
  readonly #folder: string
  readonly #parts: number
  readonly #spools = new Map<string, IdSpool>()

  constructor(folder: string, parts: number) {
    this.#folder = folder
    this.#parts = parts
  }

  async add(side: 'before' | 'after', row: PlacedRow): Promise<void> {
    const key = `${side} ${hashOf(row.id) % this.#parts}`
    const spool = this.#spools.get(key) ?? (await IdSpool.create(this.#folder))
    this.#spools.set(key, spool)
    await spool.append([digitsOf(row) + row.id])
  }

  async compare(findings: Findings): Promise<void> {
    for (let part = 0; part < this.#parts; part++) {
      const left = new Map<string, string>()
      for await (const [id, digits] of this.#read(`before ${part}`)) left.set(id, digits)
      for await (const [id, digits] of this.#read(`after ${part}`)) {
        const before = left.get(id)
        if (before === undefined) findings.count('added', id)
        else findings.compare(id, before, digits)
        left.delete(id)
      }
      for (const id of left.keys()) findings.count('removed', id)
    }
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.#spools.values()].map((spool) => spool.dispose()))
  }

  async *#read(key: string): AsyncGenerator<readonly [id: string, digits: string]> {
    for await (const lines of this.#spools.get(key)?.read() ?? [])
      for (const line of lines) yield [line.slice(DIGITS), line.slice(0, DIGITS)]
  }
}

/** FNV-1a, 32 bits, unsigned. */
function hashOf(id: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193)
  return hash >>> 0
}
