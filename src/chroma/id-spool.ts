import { randomUUID } from 'node:crypto'
import { open, rm, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'

const PIECE_BYTES = 64 * 1024
const LENGTH_BYTES = 4

/** Ids on disk, in order: written once, then read as often as needed. Takes no memory to speak of. */
export class IdSpool {
  readonly #file: FileHandle
  /** Null when the file has no name any more. */
  readonly #path: string | null
  #buffer: Buffer = Buffer.allocUnsafe(PIECE_BYTES)
  #buffered = 0
  #written = 0
  #ids = 0

  private constructor(file: FileHandle, filePath: string | null) {
    this.#file = file
    this.#path = filePath
  }

  /** Where the system allows it the file loses its name at once, so that nothing can leave it behind. */
  static async create(folder: string): Promise<IdSpool> {
    const filePath = path.join(folder, `chroma-ops-ids-${randomUUID()}`)
    const file = await open(filePath, 'wx+', 0o600)
    try {
      await rm(filePath)
      return new IdSpool(file, null)
    } catch (error) {
      if (isErrno(error, 'EBUSY', 'EPERM', 'EACCES')) return new IdSpool(file, filePath)
      await file.close()
      throw error
    }
  }

  get ids(): number {
    return this.#ids
  }

  async append(ids: Iterable<string>): Promise<void> {
    for (const id of ids) {
      const needed = LENGTH_BYTES + id.length * 3
      if (this.#buffered + needed > this.#buffer.length) await this.#makeRoom(needed)
      const length = this.#buffer.write(id, this.#buffered + LENGTH_BYTES)
      this.#buffer.writeUInt32LE(length, this.#buffered)
      this.#buffered += LENGTH_BYTES + length
      this.#ids++
    }
  }

  /** From the first id on, or behind the first `skip` ids. */
  async *read(skip = 0): AsyncGenerator<readonly string[], void, undefined> {
    await this.#flush()
    let rest: Buffer = Buffer.alloc(0)
    for (let position = 0; position < this.#written;) {
      const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, this.#written - position))
      const { bytesRead } = await this.#file.read(piece, 0, piece.length, position)
      if (bytesRead === 0) throw new Error('the temporary list of ids has shrunk')
      position += bytesRead
      const { ids, used, bytes } = idsIn(rest, piece.subarray(0, bytesRead))
      rest = bytes.subarray(used)
      const fresh = skip > 0 ? ids.slice(skip) : ids
      skip = Math.max(0, skip - ids.length)
      if (fresh.length > 0) yield fresh
    }
  }

  async dispose(): Promise<void> {
    await this.#file.close()
    if (this.#path !== null) await rm(this.#path, { force: true })
  }

  async #makeRoom(needed: number): Promise<void> {
    await this.#flush()
    if (needed > this.#buffer.length) this.#buffer = Buffer.allocUnsafe(needed)
  }

  async #flush(): Promise<void> {
    let done = 0
    while (done < this.#buffered) {
      const { bytesWritten } = await this.#file.write(
        this.#buffer,
        done,
        this.#buffered - done,
        this.#written,
      )
      done += bytesWritten
      this.#written += bytesWritten
    }
    this.#buffered = 0
  }
}

function idsIn(rest: Buffer, piece: Buffer) {
  const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece])
  const ids: string[] = []
  let used = 0
  while (used + LENGTH_BYTES <= bytes.length) {
    const end = used + LENGTH_BYTES + bytes.readUInt32LE(used)
    if (end > bytes.length) break
    ids.push(bytes.toString('utf8', used + LENGTH_BYTES, end))
    used = end
  }
  return { ids, used, bytes }
}
