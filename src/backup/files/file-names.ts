import { createHash } from 'node:crypto'

import { displayName, type CollectionName } from '../../core/records.js'

const MAX_CHARACTERS = 120
/** Windows reads these as devices, whatever follows the point. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i

/**
 * A file name for each collection, that every file system takes and tells apart: `docs.jsonl` in the default tenant
 * and database, else `tenant.database.docs.jsonl`. By display name. The order of the collections decides nothing.
 */
export function fileNames(
  collections: readonly CollectionName[],
  extension: string,
): ReadonlyMap<string, string> {
  const bases = collections.map((collection) => ({ collection, base: baseOf(collection) }))
  const counts = new Map<string, number>()
  for (const { base } of bases) counts.set(fold(base), (counts.get(fold(base)) ?? 0) + 1)
  return new Map(
    bases.map(({ collection, base }) => {
      // Names that differ in capitals only, or in what was cut off, would be one file on some disks.
      const isShared = (counts.get(fold(base)) ?? 0) > 1 || base.length > MAX_CHARACTERS
      const mark = isShared ? `-${markOf(collection)}` : ''
      return [displayName(collection), `${base.slice(0, MAX_CHARACTERS)}${mark}.${extension}`]
    }),
  )
}

function baseOf({ tenant, database, name }: CollectionName): string {
  const isDefault = tenant === 'default_tenant' && database === 'default_database'
  const base = (isDefault ? [name] : [tenant, database, name]).map(escaped).join('.')
  return DEVICE.test(base) || base === '' || base === 'collections' ? `_${base}` : base
}

/** Bytes of other characters in hexadecimal, as in an URL; a point only inside. */
function escaped(text: string): string {
  return [...Buffer.from(text)]
    .map((byte, at) => {
      const character = String.fromCharCode(byte)
      const isPlain = /[A-Za-z0-9_-]/.test(character) || (character === '.' && at > 0)
      return isPlain ? character : `%${byte.toString(16).padStart(2, '0')}`
    })
    .join('')
}

function fold(base: string): string {
  return base.slice(0, MAX_CHARACTERS).toLowerCase()
}

function markOf(collection: CollectionName): string {
  return createHash('sha256')
    .update(JSON.stringify([collection.tenant, collection.database, collection.name]))
    .digest('hex')
    .slice(0, 12)
}
