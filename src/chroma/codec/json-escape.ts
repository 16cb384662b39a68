const BACKSLASH = 0x5c

/** What follows a backslash, and the byte it means. */
const SIMPLE = new Uint8Array(128)
for (const [letter, meaning] of [
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
] as const)
  SIMPLE[letter.charCodeAt(0)] = meaning.charCodeAt(0)

/**
 * Writes the UTF-8 of the inside of a JSON string, `bytes[from, to)`, to the beginning of `out`, which is
 * never longer than what is read.
 *
 * @returns how many bytes were written; -1 for an invalid escape, a control character or half a surrogate
 * pair (which UTF-8 cannot express and Chroma cannot hold)
 */
export function appendUnescaped(bytes: Uint8Array, from: number, to: number, out: Uint8Array): number {
  let length = 0
  let at = from
  while (at < to) {
    const byte = bytes[at] ?? 0
    if (byte < 0x20) return -1
    if (byte !== BACKSLASH) {
      out[length++] = byte
      at++
      continue
    }
    const letter = bytes[at + 1] ?? 0
    if (letter !== 0x75) {
      const meaning = SIMPLE[letter] ?? 0
      if (meaning === 0) return -1
      out[length++] = meaning
      at += 2
      continue
    }
    let code = fourHexDigits(bytes, at + 2, to)
    at += 6
    if (code >= 0xd800 && code < 0xdc00) {
      const isPair = bytes[at] === BACKSLASH && bytes[at + 1] === 0x75
      const low = isPair ? fourHexDigits(bytes, at + 2, to) : -1
      if (low < 0xdc00 || low > 0xdfff) return -1
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
      at += 6
    } else if (code < 0 || (code >= 0xdc00 && code < 0xe000)) return -1
    length = appendUtf8(code, out, length)
  }
  return length
}

function appendUtf8(code: number, out: Uint8Array, length: number): number {
  if (code < 0x80) {
    out[length++] = code
    return length
  }
  if (code < 0x800) out[length++] = 0xc0 | (code >> 6)
  else {
    if (code < 0x10000) out[length++] = 0xe0 | (code >> 12)
    else {
      out[length++] = 0xf0 | (code >> 18)
      out[length++] = 0x80 | ((code >> 12) & 0x3f)
    }
    out[length++] = 0x80 | ((code >> 6) & 0x3f)
  }
  out[length++] = 0x80 | (code & 0x3f)
  return length
}

/** -1 when there are none. */
function fourHexDigits(bytes: Uint8Array, at: number, to: number): number {
  if (at + 4 > to) return -1
  let value = 0
  for (let index = at; index < at + 4; index++) {
    const byte = bytes[index] ?? 0
    const lower = byte | 0x20
    if (byte >= 0x30 && byte <= 0x39) value = value * 16 + byte - 0x30
    else if (lower >= 0x61 && lower <= 0x66) value = value * 16 + lower - 0x57
    else return -1
  }
  return value
}
