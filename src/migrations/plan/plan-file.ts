import type { MigrationPlan } from './migration-plan.js'

/** The text of a plan file: JSON, the same for the same plan. */
export function planText(plan: MigrationPlan): string {
  return `${JSON.stringify(plan, null, 2)}\n`
}

/** Rejects with a UsageError (2) when the text is no plan, or a StateUnsupportedError (16) for a newer format. */
export function parsePlan(_text: string, _name: string): MigrationPlan {
  throw new Error('not there yet')
}
