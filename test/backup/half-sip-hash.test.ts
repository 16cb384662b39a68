import { expect, test } from '@jest/globals'

import { halfSipHasher } from '../../src/backup/half-sip-hash.js'

const key = Buffer.from(Array.from({ length: 16 }, (_, at) => at))

/** The text whose UTF-16 units are the bytes 0, 1, 2 …, low byte first. */
const textOf = (bytes: number) =>
  String.fromCharCode(...Array.from({ length: bytes / 2 }, (_, unit) => 2 * unit + ((2 * unit + 1) << 8)))

// The vectors of the reference implementation, of even lengths.
test.each([
  [0, 'a9359f5b'],
  [2, 'fa62a603'],
])('of %i bytes is that of the reference implementation', (bytes, expected) => {
  const hash = Buffer.alloc(4)
  hash.writeUInt32LE(halfSipHasher(key)(textOf(bytes)))
  expect(hash.toString('hex')).toBe(expected)
})

test('is another one for another key, and for texts that differ at their ends', () => {
  const hash = halfSipHasher(key)
  const other = halfSipHasher(Buffer.from(key).reverse())
  expect(new Set([hash('a'), hash('b'), hash('a\0'), hash('ab'), hash('abc'), other('a')]).size).toBe(6)
})
