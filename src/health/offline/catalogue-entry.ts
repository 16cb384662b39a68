import type { Severity } from '../report.js'

/** What a kind of finding means, whatever directory it is found in. */
export interface CatalogueEntry {
  /** As a rule; a check may know better. */
  readonly severity: Severity
  /** What it is, in one sentence. */
  readonly meaning: string
  /** What it does to those who use the server. */
  readonly consequence: string
  /** What to do, in words. */
  readonly advice: string
  /**
   * A command that mends it or finds out more, with `{path}`, `{collection}`, `{tenant}` and `{database}` for what
   * is known; words in capitals are to be filled in. Null when none of ours does.
   */
  readonly command: string | null
}

export const RESCUE = 'chroma-ops rescue --path {path} --repo REPOSITORY'
export const RESTORE = 'chroma-ops restore latest --repo REPOSITORY --path NEW_DIRECTORY'
export const REBUILD = 'chroma-ops rebuild index --path {path} --collection {collection}'
