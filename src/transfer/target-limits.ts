import { isSparseVector, type MetadataValue } from '../core/metadata.js'
import {
  displayName,
  type CollectionDefinition,
  type CollectionName,
  type RecordBatch,
} from '../core/records.js'
import { nameProblem } from './shadow-name.js'

/** `cloud`: the quotas of Chroma Cloud; `local`: what a server of one's own refuses. */
export type LimitsKind = 'cloud' | 'local'

/** One thing that a target would refuse, and how often it occurs. */
export interface LimitFinding {
  /** `DOCUMENT_TOO_LARGE`, … */
  readonly code: string
  readonly message: string
  /** How many records, or 1 for the collection itself. */
  readonly count: number
  /** The first ones, at most 20; empty for what is wrong with the collection itself. */
  readonly ids: readonly string[]
}

export interface LimitReport {
  readonly records: number
  /** Records with at least one finding. */
  readonly offenders: number
  readonly findings: readonly LimitFinding[]
}

interface Limits {
  readonly dimension: number
  readonly idBytes: number
  readonly documentBytes: number
  readonly uriBytes: number
  readonly keys: number
  readonly keyBytes: number
  readonly valueBytes: number
  readonly nameBytes: number
  readonly collectionKeys: number
  readonly collectionValueBytes: number
  readonly records: number
  readonly sparse: boolean
}

/** Quotas as published at docs.trychroma.com/cloud/quotas-limits; an account can have larger ones. */
const CLOUD: Limits = {
  dimension: 4096,
  idBytes: 128,
  documentBytes: 16_384,
  uriBytes: 256,
  keys: 32,
  keyBytes: 36,
  valueBytes: 4096,
  nameBytes: 128,
  collectionKeys: 32,
  collectionValueBytes: 256,
  records: 5_000_000,
  sparse: true,
}

/** A server of one's own knows no quotas, but takes no request of more than 40 MiB, and so no such record. */
const LOCAL: Limits = {
  dimension: Infinity,
  idBytes: Infinity,
  documentBytes: Infinity,
  uriBytes: Infinity,
  keys: Infinity,
  keyBytes: Infinity,
  valueBytes: Infinity,
  nameBytes: Infinity,
  collectionKeys: Infinity,
  collectionValueBytes: Infinity,
  records: Infinity,
  sparse: false,
}
const REQUEST_BYTES = 40 * 1024 * 1024
const MAX_IDS = 20

export interface LimitCheckJob {
  readonly kind: LimitsKind
  readonly definition: CollectionDefinition
  readonly target: CollectionName
  /** Whether the target takes lists in metadata (Chroma 1.5 and newer). */
  readonly lists: boolean
}

/** Checks the records of one collection against the limits of a target. Bounded memory. */
export class LimitCheck {
  readonly #limits: Limits
  readonly #lists: boolean
  readonly #found = new Map<string, { message: string; count: number; ids: string[] }>()
  #records = 0
  #offenders = 0
  #bytes = 0

  constructor(job: LimitCheckJob) {
    const { kind, definition, target } = job
    this.#limits = kind === 'cloud' ? CLOUD : LOCAL
    this.#lists = job.lists
    this.#checkCollection(definition, target)
  }

  /** Bytes of the records so far, vectors as float32. */
  get bytes(): number {
    return this.#bytes
  }

  /** Records so far. */
  get records(): number {
    return this.#records
  }

  add(batch: RecordBatch): void {
    for (let row = 0; row < batch.ids.length; row++) {
      const problems = this.#problemsOf(batch, row)
      for (const [code, message] of problems) this.#note(code, message, batch.ids[row] ?? '')
      if (problems.length > 0) this.#offenders++
    }
    this.#records += batch.ids.length
  }

  report(): LimitReport {
    const { records } = this.#limits
    if (this.#records > records) this.#note('TOO_MANY_RECORDS', `more than ${records} records`)
    const findings = [...this.#found].map(([code, finding]) => ({ code, ...finding }))
    return { records: this.#records, offenders: this.#offenders, findings }
  }

  #checkCollection({ metadata, dimension }: CollectionDefinition, target: CollectionName): void {
    const limits = this.#limits
    const problem = nameProblem(target.name)
    if (problem !== null) this.#note('NAME_REFUSED', problem)
    for (const name of [target.name, target.database])
      if (bytesOf(name) > limits.nameBytes)
        this.#note('NAME_TOO_LONG', `the name ${name} takes more than ${limits.nameBytes} bytes`)
    if (dimension !== null && dimension > limits.dimension)
      this.#note(
        'DIMENSION_TOO_LARGE',
        `vectors have ${dimension} dimensions, at most ${limits.dimension} fit`,
      )
    if ((metadata?.size ?? 0) > limits.collectionKeys)
      this.#note(
        'COLLECTION_METADATA',
        `more than ${limits.collectionKeys} keys in the collection's metadata`,
      )
    for (const [key, value] of metadata ?? []) {
      if (bytesOf(key) > limits.keyBytes || valueBytes(value) > limits.collectionValueBytes)
        this.#note('COLLECTION_METADATA', `"${key}" in the metadata of ${displayName(target)} is too long`)
      if (Array.isArray(value))
        this.#note(
          'COLLECTION_METADATA',
          `"${key}" in the collection's metadata is a list, which crashes servers`,
        )
    }
  }

  #problemsOf(batch: RecordBatch, row: number): readonly (readonly [code: string, message: string])[] {
    const limits = this.#limits
    const id = bytesOf(batch.ids[row] ?? '')
    const document = bytesOf(batch.documents[row] ?? '')
    const uri = bytesOf(batch.uris[row] ?? '')
    const metadata = batch.metadatas[row] ?? null
    const vector = batch.dimension * Float32Array.BYTES_PER_ELEMENT
    let size = id + document + uri
    const problems: [string, string][] = []
    const over = (is: boolean, code: string, message: string) => {
      if (is && !problems.some(([known]) => known === code)) problems.push([code, message])
    }
    over(id > limits.idBytes, 'ID_TOO_LONG', `ids of more than ${limits.idBytes} bytes`)
    over(
      document > limits.documentBytes,
      'DOCUMENT_TOO_LARGE',
      `documents of more than ${limits.documentBytes} bytes`,
    )
    over(uri > limits.uriBytes, 'URI_TOO_LONG', `URIs of more than ${limits.uriBytes} bytes`)
    over((metadata?.size ?? 0) > limits.keys, 'TOO_MANY_KEYS', `more than ${limits.keys} metadata keys`)
    for (const [key, value] of metadata ?? []) {
      const [keyBytes, bytes] = [bytesOf(key), valueBytes(value)]
      size += keyBytes + bytes
      over(keyBytes > limits.keyBytes, 'KEY_TOO_LONG', `metadata keys of more than ${limits.keyBytes} bytes`)
      over(
        bytes > limits.valueBytes,
        'VALUE_TOO_LARGE',
        `metadata values of more than ${limits.valueBytes} bytes`,
      )
      over(Array.isArray(value) && !this.#lists, 'LIST', 'lists in metadata, which came with Chroma 1.5')
      over(
        isSparseVector(value) && !limits.sparse,
        'SPARSE_VECTOR',
        'sparse vectors, which only Chroma Cloud takes',
      )
    }
    // The vector goes as base64.
    over(
      size + (vector * 4) / 3 > REQUEST_BYTES,
      'RECORD_TOO_LARGE',
      'records of more than 40 MiB, as a request',
    )
    this.#bytes += size + vector
    return problems
  }

  #note(code: string, message: string, id?: string): void {
    const found = this.#found.get(code) ?? { message, count: 0, ids: [] }
    found.count++
    if (id !== undefined && found.ids.length < MAX_IDS) found.ids.push(id)
    this.#found.set(code, found)
  }
}

function valueBytes(value: MetadataValue): number {
  if (typeof value === 'string') return bytesOf(value)
  if (typeof value !== 'object') return 8
  if (isSparseVector(value)) return 8 * value.indices.length
  return value.reduce<number>((sum, item) => sum + valueBytes(item), 0)
}

function bytesOf(text: string): number {
  return Buffer.byteLength(text, 'utf8')
}
