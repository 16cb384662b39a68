import { writeVector } from './dataset.mjs'

const BATCH = 2000
const WORDS = 'the quick brown fox jumps over a lazy dog while nobody looks at what it does there'.split(' ')

/** A collection that is made up while it is read: nothing of it is in memory. Each record has a version. */
export class SyntheticCollection {
  #versions
  #dimension

  constructor({ records, dimension }) {
    this.#dimension = dimension
    this.#versions = new Uint32Array(records)
  }

  /** Gives a share of the records, spread over all of them, another vector and another text. */
  change(share, day) {
    const records = this.#versions.length
    const wanted = Math.round(records * share)
    let state = (day * 2654435761 + 97) >>> 0
    const chosen = new Set()
    while (chosen.size < wanted) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      chosen.add(Math.floor((state / 2 ** 32) * records))
    }
    for (const record of chosen) this.#versions[record] = day
  }

  /** As a `RecordSource`. */
  source() {
    const definition = {
      tenant: 'default_tenant',
      database: 'default_database',
      name: 'bench',
      id: '00000000-0000-4000-8000-000000000001',
      metadata: null,
      configuration: null,
      schema: null,
      dimension: this.#dimension,
    }
    return {
      displayUrl: 'synthetic:',
      listCollections: async () => [definition],
      openCollection: async () => ({
        definition,
        expectedRecords: this.#versions.length,
        batches: () => this.#batches(),
        consistency: () => ({ added: 0, removed: 0, missing: 0 }),
      }),
      close: async () => {},
    }
  }

  async *#batches() {
    for (let first = 0; first < this.#versions.length; first += BATCH)
      yield this.#batch(first, Math.min(BATCH, this.#versions.length - first))
  }

  #batch(first, rows) {
    const dimension = this.#dimension
    const numbers = Array.from({ length: rows }, (_, row) => first + row)
    const embeddings = new Float32Array(rows * dimension)
    for (const [row, number] of numbers.entries()) {
      const seed = number + (this.#versions[number] ?? 0) * 1e6
      writeVector(seed, embeddings.subarray(row * dimension, (row + 1) * dimension))
    }
    return {
      ids: numbers.map((number) => `record-${String(number).padStart(8, '0')}`),
      dimension,
      embeddings,
      missingEmbeddings: [],
      documents: numbers.map((number) => textOf(number, this.#versions[number] ?? 0)),
      uris: numbers.map(() => null),
      metadatas: numbers.map(
        (number) =>
          new Map([
            ['chunk', BigInt(number % 40)],
            ['score', (number % 1000) / 1000],
            ['source', `file-${number % 97}.md`],
            ['kept', number % 3 === 0],
          ]),
      ),
    }
  }
}

function textOf(number, version) {
  let state = number + 1 + version * 7919
  let text = `record ${number}, version ${version}`
  while (text.length < 480) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    text += ` ${WORDS[(state >>> 8) % WORDS.length]}`
  }
  return text
}
