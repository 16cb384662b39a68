import { describe, expect, test } from '@jest/globals'

import { createLike } from '../../src/chroma/create-like.js'
import { ChromaConflictError, ChromaInvalidRequestError } from '../../src/chroma/errors.js'
import { probeSpace, withTrueSpace } from '../../src/chroma/probe-space.js'
import { SHADOW_KEY } from '../../src/chroma/shadow-marker.js'
import { spaceOf } from '../../src/chroma/space.js'
import { fromPlain, parseJson, stringifyJson } from '../../src/core/json.js'
import type { Metadata } from '../../src/core/metadata.js'
import type { CollectionDefinition, Space } from '../../src/core/records.js'
import { apiForSuite, home, newCollection } from '../helpers/api-for-suite.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { sampleBatch } from '../helpers/records.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)

let copies = 0
const copyOf = (definition: CollectionDefinition, marker: Metadata | null = null) =>
  createLike(api(), definition, { address: { ...home, name: `copy-${++copies}` }, marker })

const stored = (definition: CollectionDefinition) => api().getCollection(definition)

/** A schema with nothing left at its default. */
const schema = parseJson(`{
  "defaults": {
    "string": {"fts_index": {"enabled": false, "config": {}}, "string_inverted_index": {"enabled": true, "config": {}}},
    "float_list": {"vector_index": {"enabled": false, "config": {"space": "cosine", "hnsw": {"ef_construction": 111, "max_neighbors": 12, "ef_search": 77, "num_threads": 3, "batch_size": 51, "sync_threshold": 500, "resize_factor": 1.7}}}},
    "sparse_vector": {"sparse_vector_index": {"enabled": false, "config": {"embedding_function": {"type": "unknown"}, "bm25": false}}},
    "int": {"int_inverted_index": {"enabled": false, "config": {}}},
    "float": {"float_inverted_index": {"enabled": true, "config": {}}},
    "bool": {"bool_inverted_index": {"enabled": true, "config": {}}}
  },
  "keys": {
    "#document": {"string": {"fts_index": {"enabled": true, "config": {}}, "string_inverted_index": {"enabled": false, "config": {}}}},
    "#embedding": {"float_list": {"vector_index": {"enabled": true, "config": {"space": "cosine", "embedding_function": {"type": "known", "name": "openai", "config": {"model_name": "text-embedding-3-small", "api_key_env_var": "KEY"}}, "source_key": "#document", "hnsw": {"ef_construction": 111, "max_neighbors": 12, "ef_search": 77, "num_threads": 3, "batch_size": 51, "sync_threshold": 500, "resize_factor": 1.7}}}}},
    "price": {"float": {"float_inverted_index": {"enabled": false, "config": {}}}}
  }
}`)

function withoutOwnKeys(definition: CollectionDefinition) {
  const { id, name, ...rest } = definition
  return { ...rest, named: id !== name }
}

describe('a collection like another', () => {
  test('has the schema in every detail, the embedding function and the metadata', async () => {
    const metadata = new Map<string, string | bigint | number | boolean>([
      ['text', 'ü'],
      ['whole', 2n ** 53n + 1n],
      ['double', 1],
      ['flag', false],
    ])
    const original = await newCollection(api(), { schema, metadata })
    expect(spaceOf(original)).toBe('cosine')
    expect(stringifyJson(original.schema)).toContain('"batch_size":51')
    const { collection, warnings } = await copyOf(original)
    expect(warnings).toEqual([])
    expect(withoutOwnKeys(await stored(collection))).toEqual(withoutOwnKeys(original))
  })

  test.each<Metadata>([
    new Map<string, string | bigint>([
      ['hnsw:space', 'ip'],
      ['hnsw:M', 20n],
    ]),
    new Map<string, string | bigint>([
      ['hnsw:space', 'cosine'],
      ['hnsw:construction_ef', 222n],
      ['mine', 'x'],
    ]),
  ])('has the index that hnsw keys in the metadata once asked for: %j', async (metadata) => {
    const original = await newCollection(api(), { metadata })
    expect(spaceOf(original)).toBe(metadata.get('hnsw:space'))
    // The reason for two steps: both at once are refused.
    await expect(newCollection(api(), { metadata, schema: original.schema })).rejects.toThrow(
      ChromaInvalidRequestError,
    )
    const { collection, warnings } = await copyOf(original)
    expect(warnings).toEqual([])
    expect(withoutOwnKeys(await stored(collection))).toEqual(withoutOwnKeys(original))
  })

  test.each<Space>(['l2', 'cosine', 'ip'])('has the space %s by configuration alone', async (space) => {
    const original = await newCollection(api(), { hnsw: { space, ef_search: 55, resize_factor: 1.5 } })
    const { collection, warnings } = await copyOf({ ...original, schema: null })
    expect(warnings).toEqual([])
    expect((await stored(collection)).configuration).toEqual(original.configuration)
  })

  test('carries a marker instead of its metadata while it is being built', async () => {
    const original = await newCollection(api(), { metadata: new Map([['hnsw:space', 'ip']]) })
    const marker = new Map([[SHADOW_KEY, 'run']])
    const { collection } = await copyOf(original, marker)
    expect((await stored(collection)).metadata).toEqual(marker)
    await api().updateCollection(collection, { newMetadata: original.metadata })
    expect(withoutOwnKeys(await stored(collection))).toEqual(withoutOwnKeys(original))
  })

  test('does not know the dimension that the original had before it was emptied', async () => {
    const original = await newCollection(api())
    const batch = sampleBatch({ rows: 2, dimension: 5 })
    await api().add(original, batch)
    await api().deleteRecords(original, batch.ids)
    const emptied = await stored(original)
    expect(emptied.dimension).toBe(5)
    expect((await copyOf(emptied)).collection.dimension).toBeNull()
  })

  test('does not have the keys that the schema learned from records, and needs no warning for that', async () => {
    const original = await newCollection(api())
    await api().add(original, sampleBatch({ rows: 4, dimension: 2 }))
    const evolved = await stored(original)
    expect(stringifyJson(evolved.schema)).toContain('"page"')
    const { collection, warnings } = await copyOf(evolved)
    expect(warnings).toEqual([])
    expect(stringifyJson((await stored(collection)).schema)).toContain('"page"')
  })

  test('is refused where its name is taken', async () => {
    const original = await newCollection(api())
    const again = createLike(api(), original, { address: original, marker: null })
    await expect(again).rejects.toThrow(ChromaConflictError)
    expect(await stored(original)).toEqual(original)
  })
})

describe('what a single node cannot keep', () => {
  const template = async () => newCollection(api())

  test('an index of sparse vectors is left out, with a warning', async () => {
    const original = await template()
    const sparse =
      '{"sparse_vector":{"sparse_vector_index":{"enabled":true,"config":{"embedding_function":{"type":"unknown"},"bm25":false}}}}'
    const cloud = { ...original, schema: parseJson(`{"defaults":{},"keys":{"sparse":${sparse}}}`) }
    const { collection, warnings } = await copyOf(cloud)
    expect(warnings.map(({ code }) => code)).toEqual(['SPARSE_INDEX_LOST'])
    expect(stringifyJson((await stored(collection)).schema)).toContain('"enabled":false')
  })

  test('a spann index becomes hnsw: the space stays, the rest is told', async () => {
    const original = await template()
    const index = { space: 'cosine', spann: { search_nprobe: 64, write_nprobe: 32 } }
    const keys = { '#embedding': { float_list: { vector_index: { enabled: true, config: index } } } }
    const cloud = {
      ...original,
      schema: fromPlain({
        defaults: { float_list: { vector_index: { enabled: false, config: index } } },
        keys,
      }),
    }
    const { collection, warnings } = await copyOf(cloud)
    expect(spaceOf(await stored(collection))).toBe('cosine')
    expect(warnings).toEqual([
      { code: 'SETTINGS_CHANGED', message: expect.stringContaining('vector_index.config.spann') },
    ])
  })
})

describe('the space that a collection really has', () => {
  const filled = async (space: Space) => {
    const collection = await newCollection(api(), { hnsw: { space } })
    await api().add(collection, sampleBatch({ rows: 30, dimension: 8 }))
    return stored(collection)
  }

  test.each<Space>(['l2', 'cosine', 'ip'])('%s is measured', async (space) => {
    expect(await probeSpace(api(), await filled(space))).toBe(space)
  })

  test.each<Space>(['l2', 'cosine', 'ip'])('no records tell nothing, nor do zeros in %s', async (space) => {
    const collection = await newCollection(api(), { hnsw: { space } })
    expect(await probeSpace(api(), collection)).toBeNull()
    const zeros = { ...sampleBatch({ rows: 2, dimension: 2 }), embeddings: new Float32Array(4) }
    await api().add(collection, zeros)
    expect(await probeSpace(api(), await stored(collection))).toBeNull()
  })

  /** What a server shows of a collection from before 1.0: defaults, whatever its metadata asked for. */
  const asShownByMistake = async (definition: CollectionDefinition, metadata: Metadata) => {
    const { configuration, schema: shown } = await newCollection(api(), { hnsw: { space: 'l2' } })
    return { ...definition, configuration, schema: shown, metadata }
  }

  test('a collection from before 1.0 is described as it is, not as the server shows it', async () => {
    const metadata = new Map<string, string | bigint>([
      ['hnsw:space', 'cosine'],
      ['hnsw:M', 24n],
    ])
    const shown = await asShownByMistake(await filled('cosine'), metadata)
    expect(spaceOf(shown)).toBe('l2')
    const truth = await withTrueSpace(api(), shown)
    expect(spaceOf(truth)).toBe('cosine')
    const { collection, warnings } = await copyOf(truth)
    expect(warnings).toEqual([])
    expect(spaceOf(collection)).toBe('cosine')
    const parameters = stringifyJson((await stored(collection)).configuration)
    expect(parameters).toContain('"max_neighbors":24')
  })

  test('an empty one is believed to be what its metadata asked for', async () => {
    const metadata = new Map([['hnsw:space', 'ip']])
    const shown = await asShownByMistake(await newCollection(api()), metadata)
    expect(spaceOf(await withTrueSpace(api(), shown))).toBe('ip')
  })

  test('metadata that was written later and changed nothing is not believed', async () => {
    const collection = await filled('l2')
    await api().updateCollection(collection, { newMetadata: new Map([['hnsw:space', 'cosine']]) })
    const current = await stored(collection)
    expect(await withTrueSpace(api(), current)).toEqual(current)
  })

  test('a definition in no doubt is left alone', async () => {
    const definition = await filled('ip')
    expect(await withTrueSpace(api(), definition)).toBe(definition)
  })
})
