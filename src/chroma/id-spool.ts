import { randomUUID } from 'node:crypto'
import { open, rm, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

import { asError, errnoOf, isErrno, OpsError } from '../core/errors.js'

const PIECE_BYTES = 64 * 1024
const LENGTH_BYTES = 4

/** The folder for temporary files is full or cannot be written to. */
export class TempFileError extends OpsError {
  override readonly code = 'TEMP_FILE'

  constructor(folder: string, cause: Error) {
    super(`cannot write a temporary file in ${folder}: ${cause.message}`, {
      hint: 'name another folder with --temp-dir',
      cause,
    })
  }
}

/** Ids on disk, in order: written once, then read as often as needed. Takes no memory to speak of. */
export class IdSpool {
  readonly #folder: string
  readonly #file: FileHandle
  /** Null when the file has no name any more. */
  readonly #path: string | null
  #buffer: Buffer = Buffer.allocUnsafe(PIECE_BYTES)
  #buffered = 0
  #written = 0
  #ids = 0

  private constructor(folder: string, file: FileHandle, filePath: string | null) {
    this.#folder = folder
    this.#file = file
    this.#path = filePath
  }

  /**
   * Where the system allows it the file loses its name at once, so that nothing can leave it behind. Rejects
   * with a {@link TempFileError}, as writing does.
   */
  static async create(folder: string): Promise<IdSpool> {
    const filePath = path.join(folder, `chroma-ops-ids-${randomUUID()}`)
    const file = await writing(folder, () => open(filePath, 'wx+', 0o600))
    try {
      await rm(filePath)
      return new IdSpool(folder, file, null)
    } catch (error) {
      if (isErrno(error, 'EBUSY', 'EPERM', 'EACCES')) return new IdSpool(folder, file, filePath)
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
      const left = this.#buffered - done
      const { bytesWritten } = await writing(this.#folder, () =>
        this.#file.write(this.#buffer, done, left, this.#written),
      )
      done += bytesWritten
      this.#written += bytesWritten
    }
    this.#buffered = 0
  }
}

async function writing<T>(folder: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    throw errnoOf(error) === undefined ? error : new TempFileError(folder, asError(error))
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
