import type { MigrationDefinition } from '../definition.js'
import { isUndoable } from '../operations/step-facts.js'
import { DEFAULT_KEEP } from '../run/chain.js'
import { hasNoOtherWayBack, keepsNothing } from './backup-need.js'
import type { RecordedStep } from './record-steps.js'

/** `always`, `restore` (only from the backup), `irreversible`, or until when, ISO 8601. */
export function reversibleUntil(
  definition: Pick<MigrationDefinition, 'irreversible' | 'down'>,
  steps: readonly RecordedStep[],
  { backsUp, now }: { readonly backsUp: boolean; readonly now: Date },
): string {
  if (definition.irreversible !== undefined) return 'irreversible'
  if (definition.down !== undefined) return 'always'
  if (steps.some(({ step }) => hasNoOtherWayBack(step) || !isUndoable(step)))
    return backsUp ? 'restore' : 'irreversible'
  const ends = steps.flatMap(({ step }) => {
    const keep =
      step.kind === 'copyAndSwap'
        ? (step.options.keepOld ?? DEFAULT_KEEP)
        : step.kind === 'drop'
          ? step.keep
          : null
    const ms = keep === null || keepsNothing(keep) ? null : durationMs(keep)
    return ms === null ? [] : [now.getTime() + ms]
  })
  return ends.length === 0 ? 'always' : new Date(Math.min(...ends)).toISOString()
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 7 * 86_400_000],
])

/** Null: not a duration; whoever keeps the collection says so. */
function durationMs(text: string): number | null {
  const [, amount, unit = ''] = /^(\d+)([smhdw])$/.exec(text) ?? []
  return amount === undefined ? null : Number(amount) * (UNITS.get(unit) ?? 0)
}
