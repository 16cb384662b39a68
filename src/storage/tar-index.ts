import type { FileHandle } from 'node:fs/promises'

import { IntegrityError, throwIfAborted } from '../core/errors.js'
import { MAX_BLOB_BYTES } from './blob-store.js'
import { isKey } from './keys.js'
import { readRange } from './local-files.js'
import { isZeroBlock, parsePax, parseTarHeader, TAR_BLOCK } from './tar-header.js'

/** A file in a tar archive. */
export interface TarEntry {
  /** A key of a store. */
  readonly key: string
  /** Where its bytes begin. */
  readonly offset: number
  readonly size: number
  readonly modified: Date
}

const MAX_NAME_BYTES = 64 * 1024
const HINT = 'make the archive again, or take another copy of it'

/**
 * Every file in a tar archive, by key: only headers are read. A name may be there more than once, for the beginning
 * and the end of an archive tell each other; then its bytes are the same, and the first place is given.
 *
 * Rejects with an {@link IntegrityError} (13) when the archive is cut off, damaged, or holds what no store can hold:
 * names that lead elsewhere, links, files larger than a blob may be.
 */
export async function readTarIndex(
  handle: FileHandle,
  where: string,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, TarEntry>> {
  const { size: end } = await handle.stat()
  const entries = new Map<string, TarEntry>()
  let named: { name?: string | undefined; size?: number | undefined } = {}
  for (let at = 0; ;) {
    throwIfAborted(signal)
    const block = Buffer.from(await readRange(handle, at, TAR_BLOCK))
    if (block.length < TAR_BLOCK) throw cutOff(where)
    if (isZeroBlock(block)) return entries
    const header = parseTarHeader(block, where)
    const offset = at + TAR_BLOCK
    const size = named.size ?? header.size
    at = offset + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK
    if (at > end) throw cutOff(where)
    if (header.type === 'x' || header.type === 'L') {
      if (header.size > MAX_NAME_BYTES) throw strange(where, 'a name that is too long')
      const bytes = Buffer.from(await readRange(handle, offset, header.size))
      named = { ...named, ...(header.type === 'x' ? fromPax(bytes, where) : { name: untilNul(bytes) }) }
      continue
    }
    const name = named.name ?? header.name
    named = {}
    // A folder, or a global pax header, such as git writes.
    if (header.type === '5' || header.type === 'g') continue
    const key = keyOf(name, header.type, where)
    if (size > MAX_BLOB_BYTES) throw strange(where, `${key} of ${size} bytes, more than a blob may have`)
    const entry = { key, offset, size, modified: header.modified }
    const first = entries.get(key)
    if (first === undefined) entries.set(key, entry)
    else if (!(await isSame(handle, first, entry))) throw strange(where, `${key} twice, with different bytes`)
  }
}

/** `./` before names is how `tar -C folder .` writes them. */
function keyOf(name: string, type: string, where: string): string {
  const key = name.replace(/^(\.\/)+/, '')
  if (type !== '0') throw strange(where, `${JSON.stringify(name)}, which is no file`)
  if (!isKey(key)) throw strange(where, `a file ${JSON.stringify(name.slice(0, 200))}`)
  return key
}

function fromPax(bytes: Buffer, where: string): { name?: string | undefined; size?: number | undefined } {
  const members = parsePax(bytes, where)
  const size = Number(members.get('size') ?? NaN)
  const isSize = Number.isSafeInteger(size) && size >= 0
  return { name: members.get('path'), ...(isSize && { size }) }
}

function untilNul(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end)
}

async function isSame(handle: FileHandle, one: TarEntry, other: TarEntry): Promise<boolean> {
  if (one.size !== other.size) return false
  const [first, second] = [
    await readRange(handle, one.offset, one.size),
    await readRange(handle, other.offset, other.size),
  ]
  return Buffer.compare(first, second) === 0
}

function cutOff(where: string): IntegrityError {
  return new IntegrityError(`${where} is cut off: the end of the archive is missing`, { hint: HINT })
}

function strange(where: string, what: string): IntegrityError {
  return new IntegrityError(`${where} holds ${what}: not an archive of a repository`, { hint: HINT })
}
