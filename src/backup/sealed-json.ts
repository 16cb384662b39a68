import { sha256Hex } from './object-reference.js'

const HEAD = ',\n"sha256":"'
const TAIL = '"\n}\n'
const SEAL_BYTES = HEAD.length + 64 + TAIL.length

/**
 * A JSON object whose last member is the SHA-256 of all bytes before that member: one member per line, so
 * that it can be read with `cat` and checked with `head -c -80 | sha256sum`.
 */
export function sealJson(document: object): Buffer {
  const members = Object.entries(document)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
  const body = Buffer.from(`{\n${members.join(',\n')}`)
  return Buffer.concat([body, Buffer.from(`${HEAD}${sha256Hex(body)}${TAIL}`)])
}

/** The document, or a sentence saying what is wrong with the bytes. */
export function unsealJson(bytes: Uint8Array): { readonly document: unknown } | { readonly damage: string } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.length <= SEAL_BYTES) return { damage: 'is cut off' }
  const body = buffer.subarray(0, -SEAL_BYTES)
  const seal = buffer.subarray(-SEAL_BYTES).toString('latin1')
  if (!seal.startsWith(HEAD) || !seal.endsWith(TAIL)) return { damage: 'is cut off or altered' }
  if (seal !== `${HEAD}${sha256Hex(body)}${TAIL}`) return { damage: 'does not match its own checksum' }
  return { document: JSON.parse(buffer.toString('utf8')) }
}
