import type { ChromaApi } from '../chroma/api.js'
import { selectCollections, unmatchedPatterns, type CollectionSelection } from '../core/collection-pattern.js'
import { OpsError } from '../core/errors.js'
import type { CollectionDefinition } from '../core/records.js'
import { codeOf, hintOf, rootError, serverFinding } from './findings.js'
import type { HealthFinding } from './report.js'

export interface HealthScope {
  readonly tenants: readonly string[]
  /** In each tenant; null: all that it has. */
  readonly databases: readonly string[] | null
  readonly selection: CollectionSelection
}

export interface CollectionsInScope {
  /** `tenant/database`. */
  readonly databases: readonly string[]
  readonly collections: readonly CollectionDefinition[]
  readonly findings: readonly HealthFinding[]
}

/** A tenant or database that cannot be listed is a finding, and the others go on. Rejects when the signal fires. */
export async function collectionsInScope(
  api: ChromaApi,
  scope: HealthScope,
  signal: AbortSignal,
): Promise<CollectionsInScope> {
  const findings: HealthFinding[] = []
  const tolerate = async <T>(what: string, work: Promise<T>): Promise<T | null> => {
    try {
      return await work
    } catch (error) {
      if (signal.aborted || !(error instanceof OpsError)) throw error
      findings.push(unlisted(what, error))
      return null
    }
  }
  const databases: string[] = []
  const found: CollectionDefinition[] = []
  for (const tenant of scope.tenants) {
    const names =
      scope.databases ?? (await tolerate(`tenant ${tenant}`, api.listDatabases(tenant, signal))) ?? []
    for (const database of names) {
      const what = `database ${tenant}/${database}`
      const collections = await tolerate(what, api.listCollections(tenant, database, signal))
      if (collections === null) continue
      databases.push(`${tenant}/${database}`)
      found.push(...collections)
    }
  }
  const literal = scope.selection.include.filter((pattern) => pattern.literal)
  for (const { text } of unmatchedPatterns(literal, found)) findings.push(notThere(text))
  return { databases, collections: selectCollections(found, scope.selection), findings }
}

function unlisted(what: string, error: unknown): HealthFinding {
  const root = rootError(error)
  return serverFinding({
    id: codeOf(root) ?? 'DATABASE_UNREADABLE',
    severity: 'critical',
    evidence: `${what}: ${root.message}`,
    consequence: 'Nothing in it can be used.',
    advice: hintOf(root) ?? 'look at the log of the server',
    command: null,
  })
}

function notThere(pattern: string): HealthFinding {
  return serverFinding({
    id: 'COLLECTION_NOT_FOUND',
    severity: 'critical',
    evidence: `no collection named ${pattern}`,
    consequence: 'Whoever relies on this collection gets an error.',
    advice: 'check its name and database; if it was deleted, restore it',
    command: null,
  })
}
