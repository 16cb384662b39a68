import { isJsonObject, type JsonObject, type JsonValue } from '../core/json.js'

/** What a server can do, as far as `/openapi.json` tells. */
export interface ServerCapabilities {
  /** Takes and shows `schema` (1.3 and newer). Null: unknown, to be found out by trying. */
  readonly schema: boolean | null
  /** Has `/search` (which a single node answers with 501). */
  readonly search: boolean
  /** Finds a collection by its id. */
  readonly byId: boolean
}

export interface ServerFingerprint {
  /** What `/api/v2/version` says. Every server since 1.0 says `1.0.0`: no proof of anything. */
  readonly claimedVersion: string | null
  /** The release is this one or newer. */
  readonly atLeast: '1.0' | '1.1' | '1.3' | '1.5' | '1.5.7'
  /** What {@link atLeast} rests on, one sentence each. */
  readonly evidence: readonly string[]
  readonly capabilities: ServerCapabilities
}

/** The newest sign comes last. */
const SIGNS = [
  { suffix: '/search', atLeast: '1.1' },
  { suffix: '/indexing_status', atLeast: '1.5' },
  { suffix: '/by-id/{collection_id}', atLeast: '1.5.7' },
] as const

/** @param document what `/openapi.json` holds, null when the server has none */
export function fingerprintFrom(document: JsonValue, claimedVersion: string | null): ServerFingerprint {
  const paths = [...(objectAt(document, 'paths')?.keys() ?? [])]
  if (paths.length === 0) {
    return {
      claimedVersion,
      atLeast: '1.0',
      evidence: ['the server answers the v2 API but has no /openapi.json'],
      capabilities: { schema: null, search: false, byId: false },
    }
  }
  const found = SIGNS.filter(({ suffix }) => paths.some((path) => path.endsWith(suffix)))
  const schema = createTakesSchema(document)
  const evidence = found.map(({ suffix, atLeast }) => `/openapi.json has …${suffix} (${atLeast} and newer)`)
  if (schema) evidence.push('/openapi.json: creating a collection takes a schema (1.3 and newer)')
  if (evidence.length === 0) evidence.push('/openapi.json has none of the paths that came after 1.0')
  const newest = found.at(-1)?.atLeast ?? '1.0'
  return {
    claimedVersion,
    atLeast: schema && newest === '1.1' ? '1.3' : newest,
    evidence,
    capabilities: {
      schema,
      search: has(paths, '/search'),
      byId: has(paths, '/by-id/{collection_id}'),
    },
  }
}

function has(paths: readonly string[], suffix: string): boolean {
  return paths.some((path) => path.endsWith(suffix))
}

function createTakesSchema(document: JsonValue): boolean {
  const properties = objectAt(document, 'components', 'schemas', 'CreateCollectionPayload', 'properties')
  return properties?.has('schema') ?? false
}

function objectAt(json: JsonValue, ...keys: readonly string[]): JsonObject | undefined {
  let value: JsonValue | undefined = json
  for (const key of keys) value = isJsonObject(value) ? value.get(key) : undefined
  return isJsonObject(value) ? value : undefined
}
