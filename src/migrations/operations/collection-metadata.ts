import { isSparseVector, type Metadata } from '../../core/metadata.js'
import { MigrationError } from '../migration-error.js'
import { BadValue, describe } from './bad-value.js'
import { storedMetadata } from './metadata-view.js'

/** Keys that are not the user's to set: parameters of the index from before 1.0, and what chroma-ops notes. */
const RESERVED = /^(hnsw:|chroma-ops:)/

/** What Chroma Cloud allows (docs.trychroma.com/cloud/quotas-limits). */
const CLOUD_KEYS = 32
const CLOUD_KEY_BYTES = 36
const CLOUD_VALUE_BYTES = 4096

/**
 * The metadata of a collection after a change. Reserved keys stay as they are. Throws a {@link MigrationError}
 * for what a server would take and not act on (`hnsw:*`), or would die of (lists), or cannot store.
 */
export function changedMetadata(
  name: string,
  given: unknown,
  previous: Metadata | null,
  { isCloud }: { readonly isCloud: boolean },
): Metadata | null {
  const stored = storedOf(name, given, previous)
  for (const [key, value] of stored ?? []) {
    if (typeof value === 'object')
      throw refused(
        name,
        `key ${JSON.stringify(key)} is ${isSparseVector(value) ? 'a sparse vector' : 'a list'}: the metadata of a collection holds texts, numbers, true and false`,
      )
    if (RESERVED.test(key) && previous?.get(key) !== value)
      throw refused(
        name,
        key.startsWith('hnsw:')
          ? `key ${JSON.stringify(key)} would change nothing about the index`
          : `key ${JSON.stringify(key)} is kept for chroma-ops itself`,
        key === 'hnsw:space' ? 'change the distance with changeSpace' : 'use setConfiguration',
      )
  }
  const reserved = [...(previous ?? [])].filter(([key]) => RESERVED.test(key))
  const whole = new Map([...reserved, ...(stored ?? [])])
  if (isCloud) checkQuota(name, whole)
  return whole.size === 0 ? null : whole
}

function storedOf(name: string, given: unknown, previous: Metadata | null): Metadata | null {
  if (given === undefined || given instanceof Promise || Array.isArray(given))
    throw refused(name, `${describe(given)} was given instead of an object, or null for none`)
  try {
    return storedMetadata(given, previous)
  } catch (error) {
    if (error instanceof BadValue) throw refused(name, error.message)
    throw error
  }
}

function checkQuota(name: string, metadata: Metadata): void {
  if (metadata.size > CLOUD_KEYS)
    throw refused(name, `${metadata.size} keys, and Chroma Cloud allows ${CLOUD_KEYS}`)
  for (const [key, value] of metadata) {
    if (Buffer.byteLength(key) > CLOUD_KEY_BYTES)
      throw refused(
        name,
        `key ${JSON.stringify(key)} is longer than the ${CLOUD_KEY_BYTES} bytes of Chroma Cloud`,
      )
    if (typeof value === 'string' && Buffer.byteLength(value) > CLOUD_VALUE_BYTES)
      throw refused(name, `the value of ${JSON.stringify(key)} is longer than Chroma Cloud allows`)
  }
}

function refused(name: string, problem: string, hint?: string): MigrationError {
  return new MigrationError('OPERATION_REFUSED', `metadata of ${name}: ${problem}`, { hint })
}
