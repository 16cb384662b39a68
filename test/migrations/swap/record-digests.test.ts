import { expect, test } from '@jest/globals'
import fc from 'fast-check'

import type { MetadataValue } from '../../../src/core/metadata.js'
import type { RecordBatch } from '../../../src/core/records.js'
import {
  DIGEST_LENGTH,
  digestRows,
  samePayload,
  sameRecord,
} from '../../../src/migrations/swap/record-digests.js'
import { anyBatch, sampleBatch } from '../../helpers/records.js'

const batch = sampleBatch({ rows: 20, dimension: 384 })

function digestsOf(changed: Partial<RecordBatch>): readonly string[] {
  return digestRows({ ...batch, ...changed })
}

function sameAs(changed: Partial<RecordBatch>): readonly boolean[] {
  const before = digestRows(batch)
  return digestsOf(changed).map((digest, row) => sameRecord(before[row] ?? '', digest))
}

test('digests have one length, whatever the record', () => {
  fc.assert(
    fc.property(anyBatch(3), (any) => {
      for (const digest of digestRows(any)) expect(digest).toHaveLength(DIGEST_LENGTH)
    }),
  )
})

test('a record is the same as itself, and as a cosine collection gives it back', () => {
  const shifted = batch.embeddings.map((value) => Math.fround(value * (1 + 3e-7)))
  expect(sameAs({}).every(Boolean)).toBe(true)
  expect(sameAs({ embeddings: shifted }).every(Boolean)).toBe(true)
})

test('a vector that was changed in one number is another one, of the same length too', () => {
  for (const at of [0, 17, 383]) {
    const embeddings = batch.embeddings.slice()
    embeddings[at] = (embeddings[at] ?? 0) + 0.01
    expect(sameAs({ embeddings }).filter((same) => !same)).toHaveLength(1)
    embeddings[at] = -(batch.embeddings[at] ?? 0)
    const [same] = sameAs({ embeddings })
    expect(same).toBe(false)
    expect(samePayload(digestsOf({ embeddings })[0] ?? '', digestRows(batch)[0] ?? '')).toBe(true)
  }
})

test('a lost vector is another one than any', () => {
  expect(sameAs({ missingEmbeddings: [3] }).indexOf(false)).toBe(3)
})

test('doubles that Chroma shifts are the same; 1 and 1.0, null and the empty text are not', () => {
  const withValue = (value: MetadataValue) =>
    digestsOf({ metadatas: batch.metadatas.map(() => new Map([['key', value]])) })[0] ?? ''
  expect(sameRecord(withValue(0.1), withValue(0.1 + 2 ** -56))).toBe(true)
  expect(sameRecord(withValue(1), withValue(1n))).toBe(false)
  expect(sameRecord(withValue(9007199254740993n), withValue(9007199254740992n))).toBe(false)
  const documents = (text: string | null) => digestsOf({ documents: batch.ids.map(() => text) })[0] ?? ''
  expect(sameRecord(documents(null), documents(''))).toBe(false)
})
