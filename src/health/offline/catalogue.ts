import { displayName, type CollectionName } from '../../core/records.js'
import { shellWord } from '../findings.js'
import type { HealthFinding, Severity } from '../report.js'
import { databaseEntries } from './catalogue-database.js'
import type { CatalogueEntry } from './catalogue-entry.js'
import { indexEntries } from './catalogue-index.js'
import { leftoverEntries } from './catalogue-migrations.js'
import { rowEntries } from './catalogue-rows.js'
import { surroundingEntries } from './catalogue-surroundings.js'

/** Every finding about a data directory. docs/health.md has them as tables. */
export const directoryCatalogue = {
  ...databaseEntries,
  ...indexEntries,
  ...rowEntries,
  ...leftoverEntries,
  ...surroundingEntries,
} as const satisfies Record<string, CatalogueEntry>

export type DirectoryFindingId = keyof typeof directoryCatalogue

/** One thing that was seen. */
export interface Observation {
  readonly id: DirectoryFindingId
  readonly evidence: string
  /** Null when it concerns the whole directory. */
  readonly collection?: CollectionName | null
  /** When the case is better or worse than the rule. */
  readonly severity?: Severity
}

/** An observation with what the catalogue knows about its kind. */
export function directoryFinding(directory: string, observation: Observation): HealthFinding {
  const { id, evidence, collection = null } = observation
  const entry: CatalogueEntry = directoryCatalogue[id]
  const name = collection === null ? null : displayName(collection)
  return {
    id,
    severity: observation.severity ?? entry.severity,
    collection: name,
    evidence,
    consequence: entry.consequence,
    advice: entry.advice,
    command:
      entry.command
        ?.replace('{path}', () => shellWord(directory))
        .replace('{collection}', () => (name === null ? 'COLLECTION' : shellWord(name)))
        .replace('{tenant}', () => shellWord(collection?.tenant ?? 'TENANT'))
        .replace('{database}', () => shellWord(collection?.database ?? 'DATABASE')) ?? null,
  }
}
