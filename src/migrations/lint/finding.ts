/** Something in a migration that is risky, or that fails later than it could. */
export interface LintFinding {
  readonly rule: RuleCode
  readonly severity: 'error' | 'warning'
  /** As people are told it. */
  readonly file: string
  /** Counts from 1. */
  readonly line: number
  readonly message: string
}

/** Stable: they stand in comments of users' files. Never used again for something else. */
export const rules = {
  CM000: 'a comment that is to disable a rule does not say which or why',
  CM001: 'data is deleted without a way back',
  CM002: 'a transform leaves records out',
  CM003: 'a transform in place must bear being done twice',
  CM004: 'a change of records that nothing carries out, or that cannot be done in place',
  CM005: 'another embedding function without new vectors',
  CM006: 'metadata is replaced, with all its keys',
  CM007: 'settings of the index in metadata, where they do nothing',
  CM008: 'get-or-create hides that a collection is missing',
  CM009: 'code without a way back',
  CM010: 'a result that differs from run to run',
  CM011: 'a migration that others have already was changed',
  CM012: 'a new migration that is not behind all others',
  CM013: 'code of the application, which will change',
  CM014: 'the replaced collection is not kept',
  CM015: 'paging by offset while writing skips records',
} as const

export type RuleCode = keyof typeof rules

export function isRule(text: string): text is RuleCode {
  return Object.hasOwn(rules, text)
}

/** A finding of a rule that looks at one file; where it is, is added later. */
export interface Remark {
  readonly rule: RuleCode
  readonly severity: LintFinding['severity']
  readonly line: number | null
  readonly message: string
}
