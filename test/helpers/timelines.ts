import fc from 'fast-check'

import type { Metadata, MetadataValue } from '../../src/core/metadata.js'
import type { CollectionDefinition } from '../../src/core/records.js'
import { batchOf, definitionOf, type MemoryCollection, type PlainRecord } from './memory-source.js'

/** What happens to a collection between two backups; numbers choose records, whatever there is. */
export type Change =
  | {
      readonly kind: 'add' | 'delete' | 'payload' | 'vector' | 'both' | 'readd' | 'upsert' | 'lose' | 'regain'
      readonly record: number
    }
  | { readonly kind: 'many'; readonly record: number; readonly rows: number }
  | { readonly kind: 'reverse' | 'clear' | 'recreate' | 'rename' | 'describe' }

const one = fc.record({
  kind: fc.constantFrom('add', 'delete', 'payload', 'vector', 'both', 'readd', 'upsert'),
  record: fc.nat({ max: 400 }),
} as const)
const lossOrGain = fc.record({
  kind: fc.constantFrom('lose', 'regain'),
  record: fc.nat({ max: 400 }),
} as const)
const many = fc.record({
  kind: fc.constant('many'),
  record: fc.nat({ max: 400 }),
  rows: fc.nat({ max: 30 }),
} as const)
const rare = fc.record({
  kind: fc.constantFrom('reverse', 'clear', 'recreate', 'rename', 'describe'),
} as const)

/** Days with changes; on some of them none. With `losses` vectors get lost, and come back. */
export function anyTimeline(days: number, losses = false): fc.Arbitrary<readonly (readonly Change[])[]> {
  const day = fc.array(
    fc.oneof(
      { arbitrary: one, weight: 12 },
      { arbitrary: many, weight: 3 },
      { arbitrary: rare, weight: 1 },
      { arbitrary: lossOrGain, weight: losses ? 8 : 0 },
    ),
    { maxLength: 6 },
  )
  return fc.array(day, { minLength: 2, maxLength: days })
}

/** A collection as a server keeps it: changed records stay where they are, new ones come last. */
export class ModelCollection {
  readonly #dimension: number
  /** Those that were lost, by the id of their record. */
  readonly #lost = new Map<string, PlainRecord['embedding']>()
  #records: PlainRecord[] = []
  #versions = 0
  #life = 0
  #name: string

  constructor(name: string, dimension: number, records: number) {
    this.#name = name
    this.#dimension = dimension
    for (let number = 0; number < records; number++) this.#add(`r${number}`)
  }

  get ids(): readonly string[] {
    return this.#records.map(({ id }) => id)
  }

  apply(change: Change): void {
    switch (change.kind) {
      case 'reverse':
        this.#records.reverse()
        break
      case 'clear':
        this.#records = []
        break
      case 'recreate':
        this.#life++
        break
      case 'rename':
        this.#name += 'x'
        break
      case 'describe':
        this.#versions++
        break
      case 'many':
        for (let row = 0; row < change.rows; row++) this.#update(change.record + row, 'both')
        break
      case 'add':
      case 'upsert':
      case 'delete':
      case 'readd':
      case 'payload':
      case 'vector':
      case 'both':
      case 'lose':
      case 'regain':
        this.#applyTo(change.kind, change.record)
    }
  }

  /** In batches of `rows`. */
  collection(rows: number): MemoryCollection {
    const overrides: Partial<CollectionDefinition> = {
      id: `life-${this.#life}-of-it`,
      dimension: this.#dimension,
      metadata: new Map([['versions', BigInt(this.#versions)]]),
    }
    const batches = []
    for (let at = 0; at < this.#records.length; at += rows)
      batches.push(batchOf(this.#records.slice(at, at + rows), this.#dimension))
    return { definition: definitionOf(this.#name, overrides), batches }
  }

  #applyTo(kind: Exclude<Change['kind'], 'many'>, record: number): void {
    const id = this.#records[record % Math.max(1, this.#records.length)]?.id
    if (kind === 'add') this.#add(`r${record}`)
    else if (kind === 'upsert' && !this.ids.includes(`r${record}`)) this.#add(`r${record}`)
    else if (id === undefined) return
    else if (kind === 'delete') this.#delete(id)
    else if (kind === 'lose') this.#lose(id)
    else if (kind === 'regain') this.#regain(record)
    else if (kind === 'readd') {
      this.#delete(id)
      this.#add(id)
    } else if (kind === 'payload' || kind === 'vector') this.#update(record, kind)
    else this.#update(record, 'both')
  }

  #add(id: string): void {
    if (!this.ids.includes(id)) this.#records.push(this.#version(id))
  }

  #delete(id: string): void {
    this.#records = this.#records.filter((each) => each.id !== id)
  }

  #lose(id: string): void {
    this.#records = this.#records.map((each) => {
      if (each.id !== id || each.embedding === null) return each
      this.#lost.set(id, each.embedding)
      return { ...each, embedding: null }
    })
  }

  /** The very vector that was lost, of one of those that lost theirs. */
  #regain(record: number): void {
    const lost = this.#records.filter(({ embedding }) => embedding === null)
    const chosen = lost[record % Math.max(1, lost.length)]
    this.#records = this.#records.map((each) =>
      each === chosen ? { ...each, embedding: this.#lost.get(each.id) ?? null } : each,
    )
  }

  #update(record: number, what: 'payload' | 'vector' | 'both'): void {
    const row = record % Math.max(1, this.#records.length)
    const old = this.#records[row]
    if (old === undefined) return
    const fresh = this.#version(old.id)
    if (what === 'payload') this.#records[row] = { ...fresh, embedding: old.embedding }
    else if (what === 'vector') this.#records[row] = { ...old, embedding: fresh.embedding }
    else this.#records[row] = fresh
  }

  #version(id: string): PlainRecord {
    const version = ++this.#versions
    return {
      id,
      embedding: Array.from({ length: this.#dimension }, (_, at) => Math.fround(version / (at + 1))),
      document: version % 3 === 0 ? null : `version ${version} of ${id} größer`,
      uri: version % 4 === 0 ? `https://example.com/${version}` : null,
      metadata: metadataOf(version),
    }
  }
}

function metadataOf(version: number): Metadata | null {
  if (version % 5 === 0) return null
  return new Map<string, MetadataValue>([
    ['version', BigInt(version)],
    ['share', version / 2],
    ['sparse', { indices: [1, version + 2], values: [0.5, version], tokens: null }],
  ])
}
