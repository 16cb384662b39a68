import type { ServerCapabilities } from '../chroma/fingerprint.js'
import { withoutSparseIndexes } from '../chroma/sparse-index.js'
import { isJsonObject, stringifyJson, type JsonObject } from '../core/json.js'
import type { Warning } from '../core/progress.js'
import { displayName, type CollectionDefinition } from '../core/records.js'
import type { LimitsKind } from './target-limits.js'

/**
 * What the target would make otherwise of a collection, as far as that is known before it is made: a single node
 * knows only HNSW, Chroma Cloud only SPANN, and what either takes over from the other is the space.
 */
export function expectedChanges(
  definition: CollectionDefinition,
  kind: LimitsKind,
  capabilities: ServerCapabilities,
): readonly Warning[] {
  const name = displayName(definition)
  const changes: Warning[] = []
  const [from, to] = kind === 'cloud' ? (['hnsw', 'spann'] as const) : (['spann', 'hnsw'] as const)
  const index = indexOf(definition, from)
  if (index !== null) {
    const lost = [...index].filter(([key, value]) => key !== 'space' && value !== null)
    const settings = lost.map(([key, value]) => `${key}=${stringifyJson(value)}`).join(', ')
    changes.push({
      code: 'INDEX_KIND_CHANGES',
      message: `${name}: the ${from} index becomes ${to}, of which only the space is kept${settings === '' ? '' : `; lost: ${settings}`}`,
    })
  }
  if (
    kind === 'local' &&
    stringifyJson(withoutSparseIndexes(definition.schema)) !== stringifyJson(definition.schema)
  )
    changes.push({
      code: 'SPARSE_INDEX_LOST',
      message: `${name}: a server of one's own has no index for sparse vectors; it is left out`,
    })
  if (definition.schema !== null && capabilities.schema === false)
    changes.push({
      code: 'SCHEMA_LOST',
      message: `${name}: the target is older than schemas (1.3); only the configuration is kept`,
    })
  return changes
}

function indexOf({ configuration, schema }: CollectionDefinition, kind: 'hnsw' | 'spann'): JsonObject | null {
  const configured = isJsonObject(configuration) ? configuration.get(kind) : undefined
  if (isJsonObject(configured)) return configured
  let value = schema
  for (const key of ['keys', '#embedding', 'float_list', 'vector_index', 'config', kind])
    value = isJsonObject(value) ? (value.get(key) ?? null) : null
  return isJsonObject(value) ? value : null
}
