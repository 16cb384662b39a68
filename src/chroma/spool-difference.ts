import { IdSpool } from './id-spool.js'

/** Ids held in memory at once while two lists are compared. */
const IDS_IN_MEMORY = 200_000
const MOST_PARTS = 64

export interface SpoolDifference {
  /** Ids in the second list only. */
  readonly added: number
  /** Ids in the first list only. */
  readonly removed: number
}

/**
 * Compares a list of ids on disk with one that arrives, whatever their order. As long as both run the same
 * nothing is stored; what is left after the first difference is spread over files by a hash of the id, so
 * that equal ids meet, and each pair of files is compared in memory.
 */
export async function compareWithSpool(
  first: IdSpool,
  second: AsyncIterable<readonly string[]>,
  folder: string,
): Promise<SpoolDifference> {
  const ahead = new Ahead(first.read())
  let same = 0
  let parts: Parts | undefined
  try {
    for await (const ids of second) {
      let row = 0
      if (parts === undefined) {
        while (row < ids.length && (await ahead.peek()) === ids[row]) {
          ahead.step()
          row++
        }
        same += row
        if (row === ids.length) continue
        parts = await Parts.create(folder, first.ids - same)
      }
      await parts.add('second', ids.slice(row))
    }
    if (parts === undefined) return { added: 0, removed: first.ids - same }
    for await (const ids of first.read(same)) await parts.add('first', ids)
    return await parts.difference()
  } finally {
    await ahead.close()
    await parts?.dispose()
  }
}

/** The next id of a list that comes in pieces. */
class Ahead {
  readonly #pieces: AsyncGenerator<readonly string[], void, undefined>
  #piece: readonly string[] = []
  #row = 0

  constructor(pieces: AsyncGenerator<readonly string[], void, undefined>) {
    this.#pieces = pieces
  }

  async peek(): Promise<string | undefined> {
    while (this.#row >= this.#piece.length) {
      const next = await this.#pieces.next()
      if (next.done === true) return undefined
      this.#piece = next.value
      this.#row = 0
    }
    return this.#piece[this.#row]
  }

  step(): void {
    this.#row++
  }

  async close(): Promise<void> {
    await this.#pieces.return()
  }
}

/** Two lists, each spread over the same number of files. */
class Parts {
  readonly #lists: { readonly first: readonly IdSpool[]; readonly second: readonly IdSpool[] }

  private constructor(first: readonly IdSpool[], second: readonly IdSpool[]) {
    this.#lists = { first, second }
  }

  static async create(folder: string, ids: number): Promise<Parts> {
    const parts = Math.min(MOST_PARTS, 1 + Math.floor(ids / IDS_IN_MEMORY))
    const spools: IdSpool[] = []
    try {
      while (spools.length < 2 * parts) spools.push(await IdSpool.create(folder))
    } catch (error) {
      await Promise.all(spools.map((spool) => spool.dispose()))
      throw error
    }
    return new Parts(spools.slice(0, parts), spools.slice(parts))
  }

  async add(list: 'first' | 'second', ids: readonly string[]): Promise<void> {
    const spools = this.#lists[list]
    const shares = spools.map((): string[] => [])
    for (const id of ids) shares[hashOfId(id) % spools.length]?.push(id)
    for (const [part, spool] of spools.entries()) await spool.append(shares[part] ?? [])
  }

  async difference(): Promise<SpoolDifference> {
    let added = 0
    let removed = 0
    for (const [part, spool] of this.#lists.first.entries()) {
      const left = new Set<string>()
      for await (const ids of spool.read()) for (const id of ids) left.add(id)
      for await (const ids of this.#lists.second[part]?.read() ?? [])
        for (const id of ids) if (!left.delete(id)) added++
      removed += left.size
    }
    return { added, removed }
  }

  async dispose(): Promise<void> {
    const spools = [...this.#lists.first, ...this.#lists.second]
    await Promise.all(spools.map((spool) => spool.dispose()))
  }
}

/** FNV-1a, 32 bits, unsigned. */
export function hashOfId(id: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193)
  return hash >>> 0
}
