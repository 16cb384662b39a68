import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { parseJson, stringifyJson } from '../../src/core/json.js'
import { metadataFromJson, metadataToJson } from '../../src/core/metadata-json.js'
import type { Metadata } from '../../src/core/metadata.js'
import { anyMetadata } from '../helpers/records.js'

describe('metadata as JSON text', () => {
  test('comes back with its types and the order of its keys', () => {
    fc.assert(
      fc.property(anyMetadata, (metadata) => {
        fc.pre(metadata !== null)
        const back = metadataFromJson(parseJson(stringifyJson(metadataToJson(metadata))))
        expect([...(back ?? [])]).toEqual([...metadata])
      }),
    )
  })

  test.each([
    { indices: [3, 70_000], values: [0.5, 2], tokens: null },
    { indices: [1], values: [1.5], tokens: ['cat'] },
  ])('a sparse vector comes back: %j', (vector) => {
    const metadata: Metadata = new Map([['sparse', vector]])
    expect(metadataFromJson(parseJson(stringifyJson(metadataToJson(metadata))))).toEqual(metadata)
  })

  test.each([['null'], ['{}'], ['{"gone":null}']])('%s is no metadata at all', (text) => {
    expect(metadataFromJson(parseJson(text))).toBeNull()
  })

  test('an integer beyond 64 bits is a double, as on a server', () => {
    const json = '{"max":9223372036854775807,"more":9223372036854775808,"less":-9223372036854775809}'
    expect(metadataFromJson(parseJson(json))).toEqual(
      new Map<string, bigint | number>([
        ['max', 2n ** 63n - 1n],
        ['more', 2 ** 63],
        ['less', -(2 ** 63)],
      ]),
    )
  })

  test.each(['[]', '1', '{"a":{"b":1}}', '{"a":[[1]]}', '{"a":[null]}', '{"a":{"#type":"sparse_vector"}}'])(
    '%s is not metadata',
    (text) => {
      expect(metadataFromJson(parseJson(text))).toBeUndefined()
    },
  )
})
