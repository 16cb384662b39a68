import { describe, expect, test } from '@jest/globals'

import { definitionFromWire, definitionToWire } from '../../src/chroma/definition.js'
import { ChromaGarbledAnswerError } from '../../src/chroma/errors.js'
import { fingerprintFrom } from '../../src/chroma/fingerprint.js'
import { jsonDifferences } from '../../src/chroma/json-differences.js'
import { isShadow, SHADOW_KEY } from '../../src/chroma/shadow-marker.js'
import { spaceIsDoubtful, spaceOf } from '../../src/chroma/space.js'
import { fromPlain, parseJson, stringifyJson } from '../../src/core/json.js'

const schemaOf = (space: string) =>
  fromPlain({ keys: { '#embedding': { float_list: { vector_index: { config: { space } } } } } })
const nothing = { schema: null, configuration: null, metadata: null }

describe('spaceOf', () => {
  test.each([
    ['the schema', { ...nothing, schema: schemaOf('cosine') }, 'cosine'],
    ['the configuration', { ...nothing, configuration: fromPlain({ hnsw: { space: 'ip' } }) }, 'ip'],
    [
      'a spann configuration',
      { ...nothing, configuration: fromPlain({ hnsw: null, spann: { space: 'ip' } }) },
      'ip',
    ],
    ['the metadata', { ...nothing, metadata: new Map([['hnsw:space', 'cosine']]) }, 'cosine'],
    ['nothing', nothing, 'l2'],
    [
      'the schema rather than the rest',
      {
        schema: schemaOf('ip'),
        configuration: fromPlain({ hnsw: { space: 'cosine' } }),
        metadata: new Map([['hnsw:space', 'cosine']]),
      },
      'ip',
    ],
    ['metadata that names no space', { ...nothing, metadata: new Map([['hnsw:space', 'euclid']]) }, 'l2'],
  ])('by %s', (_, definition, space) => {
    expect(spaceOf(definition)).toBe(space)
  })

  test('is in doubt when the metadata says otherwise', () => {
    const metadata = new Map([['hnsw:space', 'cosine']])
    expect(spaceIsDoubtful({ ...nothing, schema: schemaOf('l2'), metadata })).toBe(true)
    expect(spaceIsDoubtful({ ...nothing, schema: schemaOf('cosine'), metadata })).toBe(false)
    expect(spaceIsDoubtful({ ...nothing, metadata })).toBe(false)
  })
})

describe('a definition', () => {
  const wire =
    '{"id":"947bba14-9cd1-41c8-8f88-e1c5cc0db201","name":"abc","tenant":"t","database":"d","metadata":{"a":1,"b":1.0,"c":9007199254740993},"configuration_json":{"hnsw":{"resize_factor":1.2,"ef_search":100}},"schema":{"keys":{},"x":1.0},"dimension":3}'

  test('is read without loss and written as it was', () => {
    const definition = definitionFromWire(parseJson(wire))
    expect(definition.metadata).toEqual(
      new Map<string, bigint | number>([
        ['a', 1n],
        ['b', 1],
        ['c', 9007199254740993n],
      ]),
    )
    expect(definition.dimension).toBe(3)
    expect(stringifyJson(definitionToWire(definition))).toBe(wire)
  })

  test('of an older server has no schema', () => {
    const old = '{"id":"1","name":"abc","tenant":"t","database":"d","metadata":null,"dimension":null}'
    expect(definitionFromWire(parseJson(old))).toMatchObject({
      schema: null,
      configuration: null,
      metadata: null,
      dimension: null,
    })
  })

  test.each([
    '[]',
    '{}',
    '{"id":"1","name":"a","tenant":"t","database":5}',
    wire.replace('"dimension":3', '"dimension":"3"'),
  ])('what is not one is refused: %s', (text) => {
    expect(() => definitionFromWire(parseJson(text))).toThrow(ChromaGarbledAnswerError)
  })

  test('is a shadow when its metadata says so', () => {
    expect(isShadow({ metadata: new Map([[SHADOW_KEY, 'run']]) })).toBe(true)
    expect([isShadow({ metadata: null }), isShadow({ metadata: new Map([['a', 1n]]) })]).toEqual([
      false,
      false,
    ])
  })
})

describe('fingerprintFrom', () => {
  const openapi = (paths: readonly string[], schema: boolean) =>
    fromPlain({
      paths: Object.fromEntries(paths.map((path) => [path, {}])),
      components: {
        schemas: {
          CreateCollectionPayload: { properties: schema ? { name: {}, schema: {} } : { name: {} } },
        },
      },
    })
  const collection = '/api/v2/tenants/{t}/databases/{d}/collections/{collection_id}'

  test.each([
    [[`${collection}/get`], false, '1.0'],
    [[`${collection}/search`], false, '1.1'],
    [[`${collection}/search`], true, '1.3'],
    [[`${collection}/search`, `${collection}/indexing_status`], true, '1.5'],
    [
      ['/x/collections/by-id/{collection_id}', `${collection}/search`, `${collection}/indexing_status`],
      true,
      '1.5.7',
    ],
  ])('%j with schema %j is at least %s', (paths, schema, atLeast) => {
    const { evidence, ...fingerprint } = fingerprintFrom(openapi(paths, schema), '1.0.0')
    expect(fingerprint).toMatchObject({ atLeast, claimedVersion: '1.0.0', capabilities: { schema } })
    expect(evidence.length).toBeGreaterThan(0)
  })

  test('a server without a description may do more than is known', () => {
    expect(fingerprintFrom(null, null)).toMatchObject({ atLeast: '1.0', capabilities: { schema: null } })
  })
})

describe('jsonDifferences', () => {
  test('names the path of each value that is not as wanted, and overlooks additions', () => {
    const wanted = parseJson('{"a":{"b":1,"c":[1,2]},"d":null,"e":"x"}')
    const actual = parseJson('{"a":{"b":1.0,"c":[1,3],"new":1},"more":2}')
    expect(jsonDifferences(wanted, actual)).toEqual([
      { path: 'a.b', wanted: '1', actual: '1.0' },
      { path: 'a.c.1', wanted: '2', actual: '3' },
      { path: 'e', wanted: '"x"', actual: 'null' },
    ])
    expect(jsonDifferences(wanted, wanted)).toEqual([])
  })
})
