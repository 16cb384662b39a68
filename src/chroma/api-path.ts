import type { CollectionName } from '../core/records.js'

/** A collection that exists: its address and the id by which its records are reached. */
export interface CollectionRef extends CollectionName {
  readonly id: string
}

export const apiRoot = '/api/v2'

export function tenantPath(tenant: string): string {
  return `${apiRoot}/tenants/${encodeURIComponent(tenant)}`
}

export function databasePath(tenant: string, database: string): string {
  return `${tenantPath(tenant)}/databases/${encodeURIComponent(database)}`
}

export function collectionsPath({ tenant, database }: Omit<CollectionName, 'name'>): string {
  return `${databasePath(tenant, database)}/collections`
}

/** By name: for reading a definition and for deletion. */
export function collectionNamePath(collection: CollectionName): string {
  return `${collectionsPath(collection)}/${encodeURIComponent(collection.name)}`
}

/** By id: for everything else. */
export function collectionPath(collection: CollectionRef): string {
  return `${collectionsPath(collection)}/${encodeURIComponent(collection.id)}`
}
