import type { Progress } from '../core/progress.js'
import { readContents } from './contents.js'
import { encodeFileTable, readFileTable, type FileEntry, type FileTable } from './file-table.js'
import type { BackupContents, BackupHead } from './manifest.js'
import { ObjectReader } from './object-reader.js'
import type { PendingExtent } from './object-writer.js'
import { PresentObjects } from './present-objects.js'
import type { Repository } from './repository.js'
import { pendingExtents, warnOfDamage } from './reuse.js'

/** A block that is stored already. */
export type StoredBlock = Omit<PendingExtent, 'length'>

/** What a physical backup may take over from its parent: blocks whose objects are all there with their size. */
export class ParentFiles {
  readonly head: BackupHead
  readonly #contents: BackupContents
  readonly #table: FileTable
  readonly #files: ReadonlyMap<string, FileEntry>
  readonly #usable: ReadonlySet<number>

  private constructor(parts: {
    readonly head: BackupHead
    readonly contents: BackupContents
    readonly table: FileTable
    readonly usable: ReadonlySet<number>
  }) {
    this.head = parts.head
    this.#contents = parts.contents
    this.#table = parts.table
    this.#files = new Map(parts.table.files.map((file) => [file.path, file]))
    this.#usable = parts.usable
  }

  /** Null, with a warning, when the parent is damaged: then everything is stored anew. */
  static async open(job: {
    readonly repository: Repository
    readonly head: BackupHead
    readonly progress: Progress
    readonly signal?: AbortSignal | undefined
  }): Promise<ParentFiles | null> {
    const { repository, head, progress, signal } = job
    try {
      const reader = new ObjectReader({ repository, backup: head.id, progress })
      const contents = await readContents(repository, head, signal)
      const table = await readFileTable(reader, head, contents, signal)
      const usable = await new PresentObjects(repository.store).indexesOf(table.objects, signal)
      return new ParentFiles({ head, contents, table, usable })
    } catch (error) {
      return warnOfDamage(error, progress)
    }
  }

  /** How a file of this path was cut: only the same cut gives the same blocks. */
  cutOf(path: string): FileEntry | undefined {
    return this.#files.get(path)
  }

  /** Every usable block by its content id. */
  *blocks(): Generator<readonly [id: string, block: StoredBlock]> {
    for (const { planes } of this.#table.files)
      for (const { blocks } of planes)
        for (const block of blocks) {
          if (typeof block === 'number' || !this.#usable.has(block[0])) continue
          const reference = this.#table.objects[block[0]] ?? null
          yield [block[2], { object: { reference }, offset: block[1] }]
        }
  }

  /** Where the table is stored, if it says the same. */
  tableLike(table: FileTable): readonly PendingExtent[] | null {
    if (!encodeFileTable(this.#table).equals(encodeFileTable(table))) return null
    return pendingExtents(this.#contents.files ?? [], this.#contents.objects)
  }
}
