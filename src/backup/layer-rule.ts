import { rowsOf, type Catalogue, type Layer } from './catalogue.js'

/** When a collection gets a layer above what the parent has, and when a new base. */
export interface LayerRule {
  /** Layers above one base. Each costs a reader memory, and a read. */
  readonly mostLayers: number
  /** Collections with fewer bytes of vectors are stored whole: there is nothing to gain. */
  readonly leastBytes: number
}

export const defaultLayerRule: LayerRule = { mostLayers: 32, leastBytes: 256 * 1024 }

/** Rows of which a layer says something: that they are replaced, deleted, or new. */
function changesIn({ replacements, deleted, appends }: Layer): number {
  return rowsOf(replacements) + deleted + rowsOf(appends)
}

/**
 * How many rows of what is there a new layer may replace or delete; null when the collection gets a new base: it is
 * small, has as many layers as allowed, or they change more than half of the base, or would with one more like them.
 */
export function roomForLayer({ rowGroups, layers, definition }: Catalogue, rule: LayerRule): number | null {
  const base = rowsOf(rowGroups)
  if (base * (definition.dimension ?? 0) * 4 < rule.leastBytes || base === 0) return null
  if (layers.length >= rule.mostLayers) return null
  const changes = layers.reduce((sum, layer) => sum + changesIn(layer), 0)
  const usual = layers.length === 0 ? 0 : changes / layers.length
  return changes + usual > base / 2 ? null : Math.floor(base / 2) - changes
}
