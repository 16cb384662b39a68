import { spaceOf } from '../chroma/space.js'
import { isJsonObject, stringifyJson, type JsonValue } from '../core/json.js'
import type { Metadata } from '../core/metadata.js'
import type { Warning } from '../core/progress.js'
import { displayName, type CollectionDefinition } from '../core/records.js'
import { sameValue } from './compare-record.js'

/** What of a collection, beside its records, is not on the server as it was. */
export function fidelityWarnings(
  expected: CollectionDefinition,
  actual: CollectionDefinition,
): readonly Warning[] {
  const name = displayName(actual)
  const warnings: Warning[] = []
  if (expected.dimension !== null && actual.dimension === null)
    warnings.push({
      code: 'DIMENSION_LOST',
      message: `${name} is empty: the server will take vectors of any dimension, it had ${expected.dimension}`,
    })
  if (spaceOf(expected) !== spaceOf(actual))
    warnings.push({
      code: 'SPACE_DIFFERS',
      message: `${name} measures ${spaceOf(actual)} instead of ${spaceOf(expected)}`,
    })
  if (!sameMetadata(expected.metadata, actual.metadata))
    warnings.push({ code: 'METADATA_DIFFERS', message: `the metadata of ${name} is not that of the source` })
  const lost = [...indexSettings(expected)].filter(([key, text]) => indexSettings(actual).get(key) !== text)
  if (lost.length > 0)
    warnings.push({
      code: 'INDEX_SETTINGS_DIFFER',
      message: `${name}: the server does not use ${lost.map(([key, text]) => `${key}=${text}`).join(', ')}`,
    })
  return warnings
}

function sameMetadata(expected: Metadata | null, actual: Metadata | null): boolean {
  if ((expected?.size ?? 0) !== (actual?.size ?? 0)) return false
  const tolerated = { metadataFloats: 0, vectors: 0 }
  return [...(expected ?? [])].every(([key, value]) => {
    const other = actual?.get(key)
    return other !== undefined && sameValue(value, other, tolerated)
  })
}

/** The parameters of the vector index that the configuration names, as text; none when it has no configuration. */
function indexSettings({ configuration }: CollectionDefinition): ReadonlyMap<string, string> {
  const settings = new Map<string, string>()
  if (!isJsonObject(configuration)) return settings
  for (const kind of ['hnsw', 'spann', 'embedding_function']) {
    const value: JsonValue = configuration.get(kind) ?? null
    if (kind === 'embedding_function') {
      if (value !== null) settings.set(kind, stringifyJson(value))
    } else if (isJsonObject(value)) {
      for (const [key, item] of value)
        if (item !== null && key !== 'space') settings.set(`${kind}.${key}`, stringifyJson(item))
    }
  }
  return settings
}
