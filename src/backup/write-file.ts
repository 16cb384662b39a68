import { open, utimes, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

import { throwIfAborted } from '../core/errors.js'
import { mapInOrder } from '../core/map-in-order.js'
import { readRecordPieces, spansOf, type Span } from './file-reader.js'
import type { FileEntry, FileTable, Plane } from './file-table.js'
import type { ObjectReader } from './object-reader.js'
import { MAX_OBJECT_BYTES } from './object-reference.js'

export interface WriteFileJob {
  readonly objects: ObjectReader
  readonly table: FileTable
  readonly file: FileEntry
  readonly folder: string
  /** Whether the file must survive a loss of power. */
  readonly durable: boolean
  /** Memory of objects, used again; shared by files that are written side by side. */
  readonly memory: Buffer[]
  /** Told of bytes written, holes too. */
  readonly tell: (bytes: number) => void
  readonly signal?: AbortSignal | undefined
}

/** Runs of blocks, of 8 MiB at most, that are read, verified and written at the same time. */
const SPANS = 3
/** The disk gets to work before the file is whole. */
const FLUSH_BYTES = 32 * 1024 * 1024

/** Writes one file of a table, whose folder is there. Resolves to its size. */
export async function writeFile(job: WriteFileJob): Promise<number> {
  const { file, folder, durable } = job
  const target = path.join(folder, file.path)
  const handle = await open(target, 'wx', 0o600)
  try {
    const output = new Output(handle, durable)
    try {
      const rest = file.planes[file.parts.length]
      const records = file.parts.length === 0 ? 0 : file.size - (rest?.size ?? 0)
      if (records > 0) await writeRecords(job, output)
      if (rest !== undefined) await writeRun(job, output, rest, records)
      await handle.truncate(file.size)
      await handle.chmod(file.mode)
    } finally {
      await output.flushed()
    }
    if (durable) await handle.sync()
  } finally {
    await handle.close()
  }
  await utimes(target, file.mtimeMs / 1000, file.mtimeMs / 1000)
  return file.size
}

/** Piece by piece; the next one is put together while one is written. */
async function writeRecords(job: WriteFileJob, output: Output): Promise<void> {
  let at = 0
  let writing: Promise<void> = Promise.resolve()
  try {
    for await (const bytes of readRecordPieces(job)) {
      throwIfAborted(job.signal)
      await writing
      writing = output.write(bytes, at)
      // Awaited above or below; until then a failure must not count as unhandled.
      writing.catch(() => {})
      at += bytes.length
      job.tell(bytes.length)
    }
  } finally {
    await writing
  }
}

/** Bytes as they are stored, without copying them; zeros stay a hole. */
async function writeRun(job: WriteFileJob, output: Output, plane: Plane, from: number): Promise<void> {
  const { objects, table, file, memory, tell } = job
  const write = async ({ at, length, extent }: Span, signal: AbortSignal) => {
    throwIfAborted(signal)
    if (extent === null) return length
    const isWhole = length === table.objects[extent[0]]?.length
    const purpose = { collection: null, signal, ...(isWhole && { memory: memory.pop() ?? newMemory() }) }
    const bytes = await objects.readExtents(table.objects, [[extent[0], extent[1], length]], purpose)
    await output.write(bytes, from + at)
    if (isWhole && bytes.buffer.byteLength === MAX_OBJECT_BYTES) memory.push(Buffer.from(bytes.buffer))
    return length
  }
  for await (const length of mapInOrder(iterate(spansOf(file, plane)), SPANS, write, job.signal)) tell(length)
}

async function* iterate<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items
}

function newMemory(): Buffer {
  return Buffer.allocUnsafeSlow(MAX_OBJECT_BYTES)
}

class Output {
  readonly #handle: FileHandle
  readonly #durable: boolean
  #unflushed = 0
  #flush: Promise<void> = Promise.resolve()

  constructor(handle: FileHandle, durable: boolean) {
    this.#handle = handle
    this.#durable = durable
  }

  async write(bytes: Buffer, at: number): Promise<void> {
    for (let done = 0; done < bytes.length;)
      done += (await this.#handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten
    this.#unflushed += bytes.length
    if (!this.#durable || this.#unflushed < FLUSH_BYTES) return
    this.#unflushed = 0
    this.#flush = this.#flush.then(() => this.#handle.datasync())
    this.#flush.catch(() => {})
  }

  /** Rejects with what a flush failed with. */
  async flushed(): Promise<void> {
    await this.#flush
  }
}
