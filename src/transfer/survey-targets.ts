import type { ChromaApi } from '../chroma/api.js'
import { DatabaseNotFoundError, TenantNotFoundError } from '../chroma/errors.js'
import { displayName, type CollectionDefinition, type CollectionName } from '../core/records.js'

/** What is in the databases that a restore writes to. */
export interface TargetSurvey {
  readonly missingTenants: readonly string[]
  readonly missingDatabases: readonly { readonly tenant: string; readonly database: string }[]
  /** Every collection, shadows included. */
  readonly collections: readonly CollectionDefinition[]
  /** The collection that has this name, shadows included. */
  find(name: CollectionName): CollectionDefinition | undefined
}

export async function surveyTargets(
  api: ChromaApi,
  targets: readonly CollectionName[],
  signal: AbortSignal | undefined,
): Promise<TargetSurvey> {
  const databases = new Map(
    targets.map(({ tenant, database }) => [`${tenant}/${database}`, { tenant, database }]),
  )
  const missingTenants = new Set<string>()
  const missingDatabases: { tenant: string; database: string }[] = []
  const found = new Map<string, CollectionDefinition>()
  for (const { tenant, database } of databases.values()) {
    try {
      for (const definition of await api.listCollections(tenant, database, signal))
        found.set(displayName(definition), definition)
    } catch (error) {
      if (error instanceof TenantNotFoundError) missingTenants.add(tenant)
      else if (!(error instanceof DatabaseNotFoundError)) throw error
      missingDatabases.push({ tenant, database })
    }
  }
  return {
    missingTenants: [...missingTenants],
    missingDatabases,
    collections: [...found.values()],
    find: (name) => found.get(displayName(name)),
  }
}

/** Creates the tenants and databases that the survey has found missing. */
export async function createMissing(
  api: ChromaApi,
  survey: TargetSurvey,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const tenant of survey.missingTenants) await api.createTenant(tenant, signal)
  for (const { tenant, database } of survey.missingDatabases)
    await api.createDatabase(tenant, database, signal)
}
