/**
 * Metadata key of a collection that chroma-ops is still building. Its value names the run. Such a
 * collection is not the user's: it is left out of listings, backups and counts.
 */
export const SHADOW_KEY = 'chroma-ops:shadow'
