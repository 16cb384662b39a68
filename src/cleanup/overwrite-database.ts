import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rm, type FileHandle } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'

import { IntegrityError, isErrno } from '../core/errors.js'
import { OVERWRITING as MAGIC } from '../datadir/overwritten.js'
import { QuarantineRunError } from './errors.js'

/** What stands in the place of the first page while a database is overwritten. */
interface Unfinished {
  /** The whole database, on another file system. */
  readonly copy: string
  readonly bytes: number
  readonly sha256: string
}

/** The smallest page of Chroma's databases; the note must fit into it. */
const FIRST_PAGE = 4096
const CHUNK = 1 << 20

/**
 * Writes a copy over a database in its place, for a disk that has no room for both. First the beginning of the
 * file becomes a note that names the copy: no server opens it then, and {@link finishOverwriting} goes on after
 * a crash. The real first page comes last. Nobody may have the database open.
 */
export async function overwriteDatabase(file: string, copy: string): Promise<void> {
  const source = await open(copy, 'r')
  try {
    const { size } = await source.stat()
    await overwrite(file, source, { copy, bytes: size, sha256: await hashOfFile(copy) })
  } finally {
    await source.close()
  }
}

/** Goes on with an interrupted overwriting. False when there is none. */
export async function finishOverwriting(file: string): Promise<boolean> {
  const unfinished = await readNote(file)
  if (unfinished === null) return false
  const { copy, bytes, sha256 } = unfinished
  let source: FileHandle
  try {
    source = await open(copy, 'r')
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EACCES')) throw error
    throw new QuarantineRunError(`${file} is half overwritten, and its copy ${copy} cannot be read`, {
      cause: error,
      hint: `bring ${copy} back and run this again; it is the whole database`,
    })
  }
  try {
    const { size } = await source.stat()
    if (size !== bytes || (await hashOfFile(copy)) !== sha256)
      throw new IntegrityError(`${copy}, from which ${file} was being overwritten, has changed since`)
    await overwrite(file, source, unfinished)
  } finally {
    await source.close()
  }
  await rm(copy)
  return true
}

/** Whether a database was being overwritten when a run was killed. */
export async function isHalfOverwritten(file: string): Promise<boolean> {
  return (await readNote(file)) !== null
}

async function overwrite(file: string, source: FileHandle, note: Unfinished): Promise<void> {
  const target = await open(file, 'r+')
  try {
    const first = Buffer.alloc(FIRST_PAGE)
    first.write(MAGIC + JSON.stringify(note))
    await target.write(first, 0, FIRST_PAGE, 0)
    await target.sync()
    const chunk = Buffer.alloc(CHUNK)
    for (let at = FIRST_PAGE; at < note.bytes;) {
      const { bytesRead } = await source.read(chunk, 0, CHUNK, at)
      if (bytesRead === 0) throw new IntegrityError(`${note.copy} ended at ${at} of ${note.bytes} bytes`)
      await writeAll(target, chunk.subarray(0, bytesRead), at)
      at += bytesRead
    }
    await target.truncate(note.bytes)
    await target.sync()
    await source.read(first, 0, FIRST_PAGE, 0)
    await writeAll(target, first, 0)
    await target.sync()
  } finally {
    await target.close()
  }
}

async function writeAll(target: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;)
    done += (await target.write(bytes, done, bytes.length - done, at + done)).bytesWritten
}

async function readNote(file: string): Promise<Unfinished | null> {
  const first = Buffer.alloc(FIRST_PAGE)
  try {
    const handle = await open(file, 'r')
    try {
      await handle.read(first, 0, FIRST_PAGE, 0)
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
  const text = first.toString('utf8')
  if (!text.startsWith(MAGIC)) return null
  const note = parsed(text.slice(MAGIC.length).replaceAll('\0', ''))
  if (isUnfinished(note)) return note
  throw new IntegrityError(`a run was killed while it wrote ${file}, and its note there cannot be read`, {
    hint: `look for a file chroma-ops-vacuum-*.sqlite3 in the folder that was named with --via: it is the whole database`,
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

function isUnfinished(value: unknown): value is Unfinished {
  if (typeof value !== 'object' || value === null) return false
  if (!('copy' in value) || !('bytes' in value) || !('sha256' in value)) return false
  return typeof value.copy === 'string' && typeof value.bytes === 'number' && typeof value.sha256 === 'string'
}

/** SHA-256 in hexadecimal digits. */
export async function hashOfFile(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}
