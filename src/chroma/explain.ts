import { catalogue, type FindingCode } from './catalogue.js'

/** What an error text means, and what to do about it. */
export interface Explanation {
  readonly finding: FindingCode
  /** The part of the text that was recognised. */
  readonly matched: string
  readonly what: string
  readonly advice: string
  /** What would make it worse; null when nothing special. */
  readonly warning: string | null
}

/**
 * Looks up an error message, a log or a stack trace of Chroma: every known failure in it, the most specific
 * one first. Empty when nothing is known.
 */
export function explainError(text: string): Explanation[] {
  return catalogue.flatMap(({ finding, pattern, what, advice, warning }) => {
    const matched = pattern.exec(text)?.[0]
    return matched === undefined ? [] : [{ finding, matched, what, advice, warning: warning ?? null }]
  })
}
