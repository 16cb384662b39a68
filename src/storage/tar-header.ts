import { IntegrityError } from '../core/errors.js'

/** A tar file consists of these. */
export const TAR_BLOCK = 512

/** One header of a tar file (POSIX.1-1988 ustar, POSIX.1-2001 pax, GNU). */
export interface TarHeader {
  readonly name: string
  /** Bytes that follow the header, before they are filled up to whole blocks. */
  readonly size: number
  /** `0`: a file; `5`: a folder; `x` and `L`: what the next header is called; others are not for blobs. */
  readonly type: string
  readonly modified: Date
}

const CHECKSUM = { offset: 148, length: 8 }

/** Throws an {@link IntegrityError}. `where` is for the message. */
export function parseTarHeader(block: Buffer, where: string): TarHeader {
  if (numberAt(block, CHECKSUM.offset, CHECKSUM.length) !== checksumOf(block))
    throw new IntegrityError(`${where} is not a tar archive, or is damaged`, {
      hint: 'make the archive again, or take another copy of it',
    })
  const size = numberAt(block, 124, 12)
  const seconds = numberAt(block, 136, 12)
  const name = textAt(block, 0, 100)
  // GNU writes other things where ustar has the beginning of a long name.
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? textAt(block, 345, 155) : ''
  const type = String.fromCharCode(block[156] ?? 0)
  if (size === null) throw new IntegrityError(`${where}: ${name} has no size`)
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    size,
    // Old archives have NUL for files.
    type: type === '\0' ? '0' : type,
    modified: new Date((seconds ?? 0) * 1000),
  }
}

export function isZeroBlock(block: Buffer): boolean {
  return block.every((byte) => byte === 0)
}

/** The members of a pax header: lines `<length> <key>=<value>`. Throws an {@link IntegrityError}. */
export function parsePax(bytes: Buffer, where: string): ReadonlyMap<string, string> {
  const members = new Map<string, string>()
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at)
    const length = space < 0 ? NaN : Number(bytes.toString('latin1', at, space))
    const line = bytes.toString('utf8', space + 1, at + length)
    const equals = line.indexOf('=')
    if (!Number.isSafeInteger(length) || length < 5 || equals < 1 || !line.endsWith('\n'))
      throw new IntegrityError(`${where} has a damaged pax header`)
    members.set(line.slice(0, equals), line.slice(equals + 1, -1))
    at += length
  }
  return members
}

/** Octal digits, or what GNU does for numbers that are too large for them; null when it is neither. */
function numberAt(block: Buffer, offset: number, length: number): number | null {
  const field = block.subarray(offset, offset + length)
  if (field[0] === 0x80) {
    const value = Number(field.readBigUInt64BE(length - 8))
    return Number.isSafeInteger(value) ? value : null
  }
  const digits = /^ *([0-7]*)[ \0]*$/.exec(field.toString('latin1'))?.[1]
  return digits === undefined ? null : digits === '' ? 0 : parseInt(digits, 8)
}

/** The sum of all bytes, those of the checksum read as spaces. */
function checksumOf(block: Buffer): number {
  let sum = 0
  for (const [at, byte] of block.entries())
    sum += at >= CHECKSUM.offset && at < CHECKSUM.offset + CHECKSUM.length ? 0x20 : byte
  return sum
}

function textAt(block: Buffer, offset: number, length: number): string {
  const field = block.subarray(offset, offset + length)
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end < 0 ? length : end)
}
