import type { Progress } from '../core/progress.js'
import { isZero } from '../datadir/copy-file.js'
import type { SnapshotFile } from '../datadir/snapshot.js'
import type { ScannedFolder } from '../datadir/snapshot-scan.js'
import { blockSizeFor, cutFile, partsOf, type Cut } from './file-cutter.js'
import { planeSizes, type Block, type FileEntry, type FileTable } from './file-table.js'
import { contentId, sha256Hex } from './object-reference.js'
import { ObjectTable } from './object-table.js'
import type { ObjectWriter } from './object-writer.js'
import type { ParentFiles, StoredBlock } from './parent-files.js'

export interface FileWriterOptions {
  readonly objects: ObjectWriter
  readonly parent: ParentFiles | null
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

const END_EVERY = 1024 * 1024

/** A number: so many blocks of zeros. */
type PendingBlock = (StoredBlock & { readonly id: string }) | number

interface PendingFile {
  readonly file: SnapshotFile
  readonly cut: Cut
  readonly planes: readonly PendingBlock[][]
}

/** Stores files block by block; blocks that are stored already, by the parent or just now, are not stored again. */
export class FileWriter {
  readonly #options: FileWriterOptions
  readonly #known: Map<string, StoredBlock>
  readonly #files = new Map<string, PendingFile>()
  #bytes = 0
  #newBlockBytes = 0

  constructor(options: FileWriterOptions) {
    this.#options = options
    this.#known = new Map(options.parent?.blocks() ?? [])
  }

  /** Bytes of blocks that had not been stored before. */
  get newBlockBytes(): number {
    return this.#newBlockBytes
  }

  /** Bytes of the files without their holes. */
  get logicalBytes(): number {
    const files = [...this.#files.values()]
    return files.reduce((sum, { file, cut, planes }) => sum + dataBytes(file, cut, planes), 0)
  }

  /** Stores a file in place of an earlier one of the same path; null forgets it. */
  async take(name: string, file: SnapshotFile | null): Promise<void> {
    const earlier = this.#files.get(name)
    this.#files.delete(name)
    if (file === null) return
    const cut = await this.#cutFor(file, earlier?.cut ?? this.#options.parent?.cutOf(name))
    const planes: PendingBlock[][] = planeSizes(file.size, cut.parts).map(() => [])
    for await (const { plane, bytes } of cutFile(file.source, file.size, cut, this.#options.signal)) {
      planes[plane]?.push(await this.#store(bytes))
      this.#tell(bytes.length, false)
    }
    this.#files.set(name, { file, cut, planes: planes.map(withoutRuns) })
  }

  /** When all objects are stored. */
  table(folders: readonly ScannedFolder[]): FileTable {
    const table = new ObjectTable()
    const pending = [...this.#files.values()].sort((a, b) => (a.file.path < b.file.path ? -1 : 1))
    const files = pending.map(({ file, cut, planes }): FileEntry => {
      const sizes = planeSizes(file.size, cut.parts)
      const { path: name, size, mode, mtimeMs } = file
      const addressed = planes.map((blocks, plane) => ({
        size: sizes[plane] ?? 0,
        blocks: blocks.map((block) => addressedBlock(block, table)),
      }))
      return { path: name, size, mode, mtimeMs, ...cut, planes: addressed }
    })
    this.#tell(0, true)
    return {
      format: 1,
      objects: table.references,
      folders: folders.map(({ path: name, mode }) => ({ path: name, mode })),
      files,
    }
  }

  /** As before, else by what the file is. A copy may lie apart from its header. */
  async #cutFor({ path: name, source, size }: SnapshotFile, before: Cut | undefined): Promise<Cut> {
    const parts = size === 0 ? [] : ((await partsOf(source)) ?? before?.parts ?? [])
    return { blockSize: before?.blockSize ?? blockSizeFor(name, size), parts }
  }

  async #store(bytes: Buffer): Promise<PendingBlock> {
    if (isZero(bytes)) return 1
    const sha256 = sha256Hex(bytes)
    const id = contentId(sha256)
    const known = this.#known.get(id)
    if (known !== undefined) return { ...known, id }
    const [extent] = await this.#options.objects.append('blocks', [bytes], this.#ends(sha256, bytes.length))
    if (extent === undefined) throw new Error('an empty block')
    const block = { object: extent.object, offset: extent.offset }
    this.#known.set(id, block)
    this.#newBlockBytes += bytes.length
    return { ...block, id }
  }

  /** One block in each MiB, chosen by its bytes. */
  #ends(sha256: string, length: number): boolean {
    const id = this.#options.objects.cipher?.contentId(sha256) ?? sha256
    return Number.parseInt(id.slice(0, 8), 16) < (2 ** 32 * length) / END_EVERY
  }

  #tell(bytes: number, isDone: boolean): void {
    this.#bytes += bytes
    this.#options.progress.update({
      task: 'files',
      phase: 'read',
      done: this.#bytes,
      unit: 'bytes',
      bytes: this.#bytes,
      ...(isDone && { state: 'done' }),
    })
  }
}

/** Runs of blocks of zeros as one number. */
function withoutRuns(blocks: readonly PendingBlock[]): PendingBlock[] {
  const short: PendingBlock[] = []
  for (const block of blocks) {
    const last = short.at(-1)
    if (typeof block === 'number' && typeof last === 'number') short[short.length - 1] = last + block
    else short.push(block)
  }
  return short
}

function addressedBlock(block: PendingBlock, table: ObjectTable): Block {
  if (typeof block === 'number') return block
  const [extent] = table.extents([{ ...block, length: 0 }])
  if (extent === undefined) throw new Error('a block without an object')
  return [extent[0], extent[1], block.id]
}

function dataBytes(file: SnapshotFile, cut: Cut, planes: readonly PendingBlock[][]): number {
  const zeros = planes.flat().reduce<number>((sum, block) => sum + (typeof block === 'number' ? block : 0), 0)
  return Math.max(0, file.size - zeros * cut.blockSize)
}
