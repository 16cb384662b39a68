import path from 'node:path'

import type { DirectoryFindingId } from '../../../src/health/offline/catalogue.js'
import { changeDatabase, indexFolderOf } from './directories.js'

export const saved = 'default_tenant/default_database/saved'
export const unsaved = 'default_tenant/default_database/unsaved'

export interface Damage {
  readonly what: string
  readonly plant: (directory: string) => Promise<unknown>
  /** Exactly these, besides what is only information. */
  readonly found: readonly string[]
  /** Found or not, by chance. */
  readonly perhaps?: string
  /** Information that must be there. */
  readonly told?: readonly DirectoryFindingId[]
  readonly deep?: boolean
}

/** Bytes of an element with 3 numbers: links, vector, label. */
export const ELEMENT = 4 + 32 * 4 + 3 * 4 + 8

export const inIndex =
  (file: string, change: (file: string) => Promise<unknown>) => async (directory: string) =>
    change(path.join(await indexFolderOf(directory, 'saved'), file))

export const sql =
  (...statements: readonly string[]) =>
  (directory: string) =>
    changeDatabase(directory, ...statements)

export const segmentOf = (scope: string, name = 'saved') =>
  `(SELECT s.id FROM segments s JOIN collections c ON c.id = s.collection WHERE s.scope = '${scope}' AND c.name = '${name}')`
export const topicOf = (name: string) =>
  `(SELECT 'persistent://default/default/' || id FROM collections WHERE name = '${name}')`
export const elsewhere = '11111111-2222-3333-4444-555555555555'
