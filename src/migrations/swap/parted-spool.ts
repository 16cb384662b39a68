import { IdSpool } from '../../chroma/id-spool.js'
import { hashOfId } from '../../chroma/spool-difference.js'

/** Entries held in memory at once when a part is read. */
const ENTRIES_IN_MEMORY = 100_000
const MOST_PARTS = 64

/** How many parts `expected` entries are spread over. */
export function partsFor(expected: number): number {
  return Math.min(MOST_PARTS, 1 + Math.floor(expected / ENTRIES_IN_MEMORY))
}

/**
 * Values by id, on disk. They are spread over files by a hash of the id, so that two spools of equally many
 * parts can be compared part by part in bounded memory. All values have the same length.
 */
export class PartedSpool {
  readonly #files: readonly IdSpool[]
  readonly #valueLength: number

  private constructor(files: readonly IdSpool[], valueLength: number) {
    this.#files = files
    this.#valueLength = valueLength
  }

  /** Rejects with a TempFileError, as adding does. */
  static async create(folder: string, parts: number, valueLength: number): Promise<PartedSpool> {
    const files: IdSpool[] = []
    try {
      while (files.length < parts) files.push(await IdSpool.create(folder))
    } catch (error) {
      await Promise.all(files.map((file) => file.dispose()))
      throw error
    }
    return new PartedSpool(files, valueLength)
  }

  get parts(): number {
    return this.#files.length
  }

  /** A later value of the same id counts. */
  async add(entries: readonly (readonly [id: string, value: string])[]): Promise<void> {
    const shares = this.#files.map((): string[] => [])
    for (const [id, value] of entries) shares[hashOfId(id) % this.parts]?.push(value + id)
    for (const [part, file] of this.#files.entries()) await file.append(shares[part] ?? [])
  }

  /** In the order in which the ids were first added. */
  async read(part: number): Promise<Map<string, string>> {
    const values = new Map<string, string>()
    for await (const lines of this.#files[part]?.read() ?? [])
      for (const line of lines) values.set(line.slice(this.#valueLength), line.slice(0, this.#valueLength))
    return values
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.dispose()))
  }
}
