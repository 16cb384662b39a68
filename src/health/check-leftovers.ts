import { isShadow } from '../chroma/shadow-marker.js'
import { displayName, type CollectionDefinition } from '../core/records.js'
import { collectionFinding } from './findings.js'
import type { HealthFinding } from './report.js'

/** Collections that a restore was building: it is still at work, or was killed. Nobody else sees them. */
export function checkLeftovers(collections: readonly CollectionDefinition[]): readonly HealthFinding[] {
  return collections.filter(isShadow).map((shadow) =>
    collectionFinding(shadow, {
      id: 'RESTORE_UNFINISHED',
      severity: 'info',
      evidence: `${displayName(shadow)} was being built by a restore`,
      consequence: 'It takes space and is not the collection that it is to become.',
      advice: 'if no restore is running, run the same restore again: it goes on where it stopped',
      command: null,
    }),
  )
}
