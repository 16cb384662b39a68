import { adviceFindings } from './catalogue-advice.js'
import type { CatalogueEntry } from './catalogue-entry.js'
import { requestFindings } from './catalogue-requests.js'
import { sqliteFindings } from './catalogue-sqlite.js'
import { logFindings, vectorFindings } from './catalogue-vectors.js'

/** Everything chroma-ops knows about errors of Chroma. Where several texts match, the first entry is the cause; advice comes first. */
const entries = [...adviceFindings, ...vectorFindings, ...sqliteFindings, ...logFindings, ...requestFindings]

/** Stable, machine-readable names of what can be wrong. */
export type FindingCode = (typeof entries)[number]['finding']

export interface Finding extends CatalogueEntry {
  readonly finding: FindingCode
}

export const catalogue: readonly Finding[] = entries

/** The most specific entry whose text occurs in `text`. */
export function findInText(text: string): Finding | undefined {
  return catalogue.find(({ pattern }) => pattern.test(text))
}

export function findByCode(code: FindingCode): Finding | undefined {
  return catalogue.find(({ finding }) => finding === code)
}

/** Advice and warning as the hint of an error. */
export function hintOf({ advice, warning }: Finding): string {
  return warning === undefined ? advice : `${advice}. ${warning}`
}
