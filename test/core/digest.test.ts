import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { createHash } from 'node:crypto'

import { DIGEST_BYTES, digestBatch, DigestSum } from '../../src/core/digest.js'
import type { Metadata } from '../../src/core/metadata.js'
import type { RecordBatch } from '../../src/core/records.js'
import { anyBatch } from '../helpers/records.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function oneRecord(change: Partial<RecordBatch> = {}): RecordBatch {
  return {
    ids: ['a'],
    dimension: 2,
    embeddings: Float32Array.of(1, 2),
    missingEmbeddings: [],
    documents: ['text'],
    uris: [null],
    metadatas: [new Map([['k', 1n]])],
    ...change,
  }
}

const payloadOf = (batch: RecordBatch) => hex(digestBatch(batch).payload)
const vectorOf = (batch: RecordBatch) => hex(digestBatch(batch).vectors)
const withMetadata = (metadata: Metadata | null) => payloadOf(oneRecord({ metadatas: [metadata] }))

describe('digestBatch', () => {
  test('is SHA-256 over lengths, types and little-endian values, cut to 16 bytes', () => {
    const payload = Buffer.concat([
      u32(1),
      Buffer.from('a'),
      Buffer.from([1]),
      u32(4),
      Buffer.from('text'),
      Buffer.from([0]),
      Buffer.from([1]),
      u32(1),
      u32(1),
      Buffer.from('k'),
      Buffer.from('i'),
      i64(1n),
    ])
    const vector = Buffer.concat([
      u32(1),
      Buffer.from('a'),
      Buffer.from([1]),
      u32(2),
      Buffer.from(Float32Array.of(1, 2).buffer),
    ])
    expect(payloadOf(oneRecord())).toBe(sha256(payload))
    expect(vectorOf(oneRecord())).toBe(sha256(vector))
  })

  test('has one digest of 16 bytes for each row, which depends on nothing but the row', () => {
    fc.assert(
      fc.property(anyBatch(3), (batch) => {
        const { payload, vectors } = digestBatch(batch)
        expect([payload.length, vectors.length]).toEqual(Array(2).fill(batch.ids.length * DIGEST_BYTES))
        batch.ids.forEach((_, row) => {
          const alone = digestBatch(rowOf(batch, row))
          expect(hex(alone.payload)).toBe(hex(payload.subarray(row * DIGEST_BYTES, (row + 1) * DIGEST_BYTES)))
          expect(hex(alone.vectors)).toBe(hex(vectors.subarray(row * DIGEST_BYTES, (row + 1) * DIGEST_BYTES)))
        })
      }),
      { numRuns: 30 },
    )
  })

  test('does not depend on the order of the keys', () => {
    fc.assert(
      fc.property(anyBatch(1), (batch) => {
        const reversed = batch.metadatas.map((metadata) => metadata && new Map([...metadata].reverse()))
        expect(payloadOf({ ...batch, metadatas: reversed })).toBe(payloadOf(batch))
      }),
      { numRuns: 30 },
    )
  })

  test('keys are ordered by UTF-8, not by UTF-16', () => {
    const beyond = '\u{10000}'
    const below = '\uffff'
    const metadata = new Map([
      [beyond, 1n],
      [below, 2n],
    ])
    const bytes = Buffer.concat([
      u32(1),
      Buffer.from('a'),
      Buffer.from([1]),
      u32(4),
      Buffer.from('text'),
      Buffer.from([0, 1]),
      u32(2),
      u32(3),
      Buffer.from(below),
      Buffer.from('i'),
      i64(2n),
      u32(4),
      Buffer.from(beyond),
      Buffer.from('i'),
      i64(1n),
    ])
    expect(withMetadata(metadata)).toBe(sha256(bytes))
  })

  test('tells apart everything that Chroma keeps apart', () => {
    const values = [
      1n,
      1,
      '1',
      true,
      [1n],
      [1],
      ['1'],
      [true],
      [1n, 1n],
      -0,
      0,
      0n,
      '',
      { indices: [1], values: [1], tokens: null },
      { indices: [1], values: [1], tokens: ['1'] },
      { indices: [2], values: [1], tokens: null },
    ] as const
    const digests = [
      ...values.map((value) => withMetadata(new Map([['k', value]]))),
      withMetadata(null),
      withMetadata(new Map([['k2', 1n]])),
      payloadOf(oneRecord({ ids: ['b'] })),
      payloadOf(oneRecord({ documents: [null] })),
      payloadOf(oneRecord({ documents: [''] })),
      payloadOf(oneRecord({ documents: [null], uris: ['text'] })),
      payloadOf(oneRecord({ uris: [''] })),
    ]
    expect(new Set(digests).size).toBe(digests.length)
  })

  test('a vector counts by its bits; a missing one is not a zero', () => {
    const digests = [
      oneRecord(),
      oneRecord({ embeddings: Float32Array.of(0, 0) }),
      oneRecord({ embeddings: Float32Array.of(-0, 0) }),
      oneRecord({ embeddings: Float32Array.of(0, 0), missingEmbeddings: [0] }),
      oneRecord({ embeddings: Float32Array.of(1), dimension: 1 }),
      oneRecord({ ids: ['b'] }),
    ].map(vectorOf)
    expect(new Set(digests).size).toBe(digests.length)
  })

  test('text longer than the first buffer is digested whole', () => {
    const long = 'ü'.repeat(100_000)
    expect(payloadOf(oneRecord({ documents: [long] }))).not.toBe(
      payloadOf(oneRecord({ documents: [`${long}!`] })),
    )
  })
})

describe('DigestSum', () => {
  const digests = fc.uint8Array({ minLength: DIGEST_BYTES, maxLength: DIGEST_BYTES })

  test('is the sum modulo 2^128, in any order and in any pieces', () => {
    fc.assert(
      fc.property(fc.array(digests, { maxLength: 20 }), (parts) => {
        const sum = parts.reduce((total, part) => total + BigInt(`0x${hex(part)}`), 0n) % 2n ** 128n
        const expected = sum.toString(16).padStart(32, '0')
        const [one, other] = [new DigestSum(), new DigestSum()]
        one.add(Uint8Array.from(parts.flatMap((part) => [...part])))
        for (const part of [...parts].reverse()) other.add(part)
        expect([one.hex(), other.hex()]).toEqual([expected, expected])
        expect(one.records).toBe(parts.length)
      }),
    )
  })
})

function rowOf(batch: RecordBatch, row: number): RecordBatch {
  const { dimension } = batch
  return {
    ids: batch.ids.slice(row, row + 1),
    dimension,
    embeddings: batch.embeddings.slice(row * dimension, (row + 1) * dimension),
    missingEmbeddings: batch.missingEmbeddings.includes(row) ? [0] : [],
    documents: batch.documents.slice(row, row + 1),
    uris: batch.uris.slice(row, row + 1),
    metadatas: batch.metadatas.slice(row, row + 1),
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function i64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(value)
  return bytes
}

function sha256(bytes: Buffer): string {
  return createHash('sha256')
    .update(bytes)
    .digest('hex')
    .slice(0, 2 * DIGEST_BYTES)
}
