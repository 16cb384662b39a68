import { UsageError } from '../../core/errors.js'
import type { PlannedSteps } from '../plan/build-plan.js'
import type { MigrationRow } from '../state/row.js'
import { MigrationDriftError } from './errors.js'
import { isSettled, titleOf, type KnownMigration, type Selection } from './select.js'
import { touchedNames } from './touched.js'

export interface OrderJob {
  readonly rows: readonly MigrationRow[]
  readonly selection: Selection
  readonly execOrder: 'linear' | 'non-linear'
  /** The steps of those that are selected; null: not known yet, so that what they share is not looked at. */
  readonly recorded: readonly PlannedSteps[] | null
}

/**
 * Throws a {@link MigrationDriftError} `OUT_OF_ORDER` (3) when a selected migration is older than one that is
 * applied, unless non-linear order was asked for and they provably share no collection; and a UsageError when
 * one depends on what is not applied.
 */
export function requireOrder(job: OrderJob): void {
  for (const file of job.selection.outOfOrder) {
    const later = job.rows.filter((row) => isSettled(row) && row.version > file.version)
    if (job.execOrder === 'linear') throw outOfOrder(file, later, null)
    if (job.recorded === null) continue
    const steps = job.recorded.find(({ version }) => version === file.version)?.steps ?? []
    const problem = sharedWith(touchedNames(steps), later)
    if (problem !== null) throw outOfOrder(file, later, problem)
  }
  requireDependencies(job)
}

/** Why it is not proven that the order does not matter; null: it is. */
function sharedWith(touched: readonly string[] | null, later: readonly MigrationRow[]): string | null {
  if (touched === null) return 'it has code of its own, which may touch any collection'
  for (const row of later) {
    if (row.status !== 'applied') continue
    if (row.touched === null)
      return `${titleOf(row)} has code of its own, which may have touched any collection`
    const shared = row.touched.filter((name) => touched.includes(name))
    if (shared.length > 0) return `both touch ${shared.join(', ')}`
  }
  return null
}

function requireDependencies({ rows, selection }: OrderJob): void {
  const applied = new Set(
    rows.filter(({ status }) => status === 'applied' || status === 'baseline').map(({ version }) => version),
  )
  for (const { file } of selection.selected) {
    const missing = (file.definition.dependsOn ?? []).filter((version) => !applied.has(version))
    if (missing.length > 0)
      throw new UsageError(
        `${file.file} depends on ${missing.join(', ')}, which would not be applied before`,
        {
          hint: `correct dependsOn in ${file.file}, or apply ${missing.join(', ')} first`,
        },
      )
    applied.add(file.version)
  }
}

function outOfOrder(
  file: KnownMigration,
  later: readonly MigrationRow[],
  problem: string | null,
): MigrationDriftError {
  const newest = later.at(-1)
  const applied = newest === undefined ? 'a later one' : titleOf(newest)
  const because = problem === null ? '' : ` (${problem})`
  return new MigrationDriftError(
    'OUT_OF_ORDER',
    `${titleOf(file)} is not applied, though ${applied} is${because}`,
    {
      problems: [file.file],
      hint:
        `give it the next number with "chroma-ops migrate renumber ${file.version}"` +
        (problem === null
          ? '; if the two have nothing to do with each other: "chroma-ops migrate up --exec-order non-linear"'
          : ''),
    },
  )
}
