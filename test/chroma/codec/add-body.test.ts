import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { encodeRecords } from '../../../src/chroma/codec/add-body.js'
import {
  parseJson,
  stringifyJson,
  isJsonArray,
  isJsonObject,
  type JsonValue,
} from '../../../src/core/json.js'
import { metadataToJson } from '../../../src/core/metadata-json.js'
import type { RecordBatch } from '../../../src/core/records.js'
import { batchOf } from '../../helpers/memory-source.js'
import { anyBatch, bitsOf, sampleBatch } from '../../helpers/records.js'

function decode(body: Buffer): ReadonlyMap<string, JsonValue> {
  const json = parseJson(body.toString('utf8'))
  return isJsonObject(json) ? json : new Map()
}

function vectorsOf(json: JsonValue | undefined): Float32Array {
  const rows = json !== undefined && isJsonArray(json) ? json : []
  const bytes = Buffer.concat(rows.map((row) => Buffer.from(typeof row === 'string' ? row : '', 'base64')))
  return new Float32Array(Uint8Array.from(bytes).buffer)
}

describe('the body of an add', () => {
  test('holds every column, with vectors as base64 of their bits', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }).chain(anyBatch), (batch) => {
        const body = decode(encodeRecords(batch))
        expect(body.get('ids')).toEqual(batch.ids)
        expect(bitsOf(vectorsOf(body.get('embeddings')))).toEqual(bitsOf(batch.embeddings))
        expectColumn(body, 'documents', batch.documents)
        expectColumn(body, 'uris', batch.uris)
        const metadatas = batch.metadatas.map((metadata) => metadata && metadataToJson(metadata))
        expectColumn(body, 'metadatas', metadatas)
      }),
    )
  })

  test('keeps 1 and 1.0 apart', () => {
    const metadata = new Map<string, bigint | number>([
      ['i', 1n],
      ['f', 1],
    ])
    const body = encodeRecords(batchOf([{ id: 'a', embedding: [1], metadata }])).toString()
    expect(body).toContain('"metadatas":[{"i":1,"f":1.0}]')
  })

  test('for a server that cannot read base64 vectors are numbers, exact as well', () => {
    const batch = sampleBatch({ rows: 3, dimension: 5 })
    const rows = decode(encodeRecords(batch, { base64: false })).get('embeddings')
    const numbers = rows !== undefined && isJsonArray(rows) ? rows.flatMap((row) => row) : []
    expect(bitsOf(Float32Array.from(numbers, Number))).toEqual(bitsOf(batch.embeddings))
  })

  test('a slice of a larger batch is encoded alone', () => {
    const whole = sampleBatch({ rows: 4, dimension: 3 })
    const slice: RecordBatch = {
      ...batchOf([{ id: 'x', embedding: [0, 0, 0] }]),
      embeddings: whole.embeddings.subarray(3, 6),
    }
    const vectors = vectorsOf(decode(encodeRecords(slice)).get('embeddings'))
    expect(bitsOf(vectors)).toEqual(bitsOf(whole.embeddings.slice(3, 6)))
  })

  test('text that needs three bytes a character does not run out of room', () => {
    const document = '漢'.repeat(100_000)
    const body = decode(encodeRecords(batchOf([{ id: 'a', embedding: [1], document }])))
    expect(body.get('documents')).toEqual([document])
  })

  test('a record without its vector cannot be written', () => {
    expect(() => encodeRecords(batchOf([{ id: 'a', embedding: null }]))).toThrow(RangeError)
  })
})

/** A column of nothing but nulls is left out. */
function expectColumn(
  body: ReadonlyMap<string, JsonValue>,
  name: string,
  column: readonly JsonValue[],
): void {
  const expected = column.every((value) => value === null) ? undefined : column
  expect(body.has(name)).toBe(expected !== undefined)
  if (expected !== undefined) expect(stringifyJson(body.get(name) ?? null)).toBe(stringifyJson(expected))
}
