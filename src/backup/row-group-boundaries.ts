import type { RepositoryCipher } from './cipher.js'

const MAX_AVERAGE_ROWS = 4096
const AVERAGE_VECTOR_BYTES = 4 * 1024 * 1024

/**
 * Cuts the records of a collection into row groups. Whether a group ends with a row depends on the ids
 * alone, so that unchanged regions of a collection give the same groups again, wherever records were
 * added or removed elsewhere. Readers need not know how groups were cut.
 */
export class RowGroupBoundaries {
  readonly #minimum: number
  readonly #maximum: number
  readonly #threshold: number
  readonly #hash: (id: string) => number
  #rows = 0

  /**
   * `dimension`: floats per vector. With a cipher the sizes of the groups, which show in the store, say nothing
   * about the ids to those without its key.
   */
  constructor(dimension: number, cipher: RepositoryCipher | null = null) {
    this.#hash = cipher === null ? hashOf : (id) => cipher.boundaryHash(id)
    const average = averageRows(dimension)
    this.#minimum = Math.max(1, Math.floor(average / 2))
    this.#maximum = average * 2
    // Behind the minimum a row ends the group with the chance that makes the mean the average.
    this.#threshold = Math.floor(2 ** 32 / Math.max(1, average - this.#minimum))
  }

  /** Whether the row with this id, the next one in order, is the last of its group. */
  endsWith(id: string): boolean {
    this.#rows++
    if (this.#rows < this.#minimum) return false
    if (this.#rows < this.#maximum && this.#hash(id) >= this.#threshold) return false
    this.#rows = 0
    return true
  }
}

export function averageRows(dimension: number): number {
  if (dimension === 0) return MAX_AVERAGE_ROWS
  return Math.max(1, Math.min(MAX_AVERAGE_ROWS, Math.floor(AVERAGE_VECTOR_BYTES / (4 * dimension))))
}

/** FNV-1a over UTF-16 units, mixed as MurmurHash3 does at its end; 32 bits, unsigned. */
function hashOf(id: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
