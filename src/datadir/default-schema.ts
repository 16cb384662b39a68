import { fromPlain, type JsonObject, type JsonValue } from '../core/json.js'

const ON = { enabled: true, config: {} }
const OFF = { enabled: false, config: {} }

/** What a server of 1.3 and newer shows of a collection that was made before there were schemas. */
export function schemaWith(parameters: JsonObject, embeddingFunction: JsonValue | undefined): JsonValue {
  const hnsw = new Map<string, JsonValue>(
    Object.entries({
      ef_construction: 100n,
      max_neighbors: 16n,
      ef_search: 100n,
      num_threads: 2n,
      batch_size: 100n,
      sync_threshold: 1000n,
      resize_factor: 1.2,
    }).map(([name, value]) => [name, parameters.get(name) ?? value]),
  )
  const chosen: [string, JsonValue][] =
    embeddingFunction === undefined ? [] : [['embedding_function', embeddingFunction]]
  const vectorIndex = (enabled: boolean, source: [string, JsonValue][]): JsonObject =>
    path(
      ['float_list', 'vector_index'],
      new Map<string, JsonValue>([
        ['enabled', enabled],
        [
          'config',
          new Map([['space', parameters.get('space') ?? 'l2'], ...chosen, ...source, ['hnsw', hnsw]]),
        ],
      ]),
    )
  const sparse = { enabled: false, config: { embedding_function: { type: 'unknown' }, bm25: false } }
  return new Map<string, JsonValue>([
    [
      'defaults',
      new Map<string, JsonValue>([
        ['string', fromPlain({ fts_index: OFF, string_inverted_index: ON })],
        ...vectorIndex(false, []),
        ['sparse_vector', fromPlain({ sparse_vector_index: sparse })],
        ['int', fromPlain({ int_inverted_index: ON })],
        ['float', fromPlain({ float_inverted_index: ON })],
        ['bool', fromPlain({ bool_inverted_index: ON })],
      ]),
    ],
    [
      'keys',
      new Map<string, JsonValue>([
        ['#embedding', vectorIndex(true, [['source_key', '#document']])],
        ['#document', fromPlain({ string: { fts_index: ON, string_inverted_index: OFF } })],
      ]),
    ],
  ])
}

function path([first = '', ...rest]: readonly string[], value: JsonValue): JsonObject {
  return new Map([[first, rest.length === 0 ? value : path(rest, value)]])
}
