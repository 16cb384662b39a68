import { ownLabelOfName } from '../core/own-collections.js'
import { displayName, type CollectionName } from '../core/records.js'
import { columnName } from '../output/format.js'

/** For a column: what migrations keep beside the user's own collections is called so. */
export function labelledName(collection: CollectionName): string {
  const label = ownLabelOfName(collection.name)
  const name = columnName(displayName(collection))
  return label === null ? name : `${name} (${label})`
}
