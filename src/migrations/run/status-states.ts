import { plural } from '../../core/plural.js'
import type { MigrationRow, StepRow } from '../state/row.js'
import { describeSwap } from '../swap/describe-swap.js'
import type { LockDescription, MigrationState } from './status.js'
import { futureOf, headOf, isUnfinished, missingOf, modifiedOf, type KnownMigration } from './select.js'

/** Every migration that a file or the state knows, by version. */
export function statesOf(
  files: readonly KnownMigration[],
  rows: readonly MigrationRow[],
  lock: LockDescription | null,
): readonly MigrationState[] {
  const byVersion = new Map(rows.map((row) => [row.version, row]))
  const names = new Map(files.map(({ version, name }) => [version, name]))
  for (const { version, name } of rows) if (!names.has(version)) names.set(version, name)
  const special = specialStates(files, rows)
  const head = headOf(rows)
  return [...names]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([version, name]) => {
      const row = byVersion.get(version)
      const status = special.get(version) ?? (row === undefined ? 'pending' : liveStatus(row, lock))
      const waits = status === 'pending' || status === 'reverted'
      return {
        ...{ version, name, status },
        outOfOrder: waits && head !== null && version < head,
        ...(row === undefined ? NOTHING_YET : factsOf(row)),
      }
    })
}

const NOTHING_YET = { appliedAt: null, ms: null, actor: null, progress: null, error: null } as const

function specialStates(
  files: readonly KnownMigration[],
  rows: readonly MigrationRow[],
): ReadonlyMap<string, 'missing' | 'future' | 'modified'> {
  return new Map([
    ...missingOf(files, rows).map(({ version }) => [version, 'missing'] as const),
    ...futureOf(files, rows).map(({ version }) => [version, 'future'] as const),
    ...modifiedOf(files, rows).map(({ version }) => [version, 'modified'] as const),
  ])
}

/** Whoever has written `running` and holds no lock any more is gone. */
function liveStatus(row: MigrationRow, lock: LockDescription | null): MigrationRow['status'] {
  if (row.status !== 'running') return row.status
  return lock?.id === row.lockId && lock.stale !== true ? 'running' : 'interrupted'
}

function factsOf(row: MigrationRow): Omit<MigrationState, 'version' | 'name' | 'status' | 'outOfOrder'> {
  const { status, startedAt, finishedAt, actor, error } = row
  const began = Date.parse(startedAt)
  return {
    appliedAt: status === 'applied' || status === 'baseline' ? finishedAt : null,
    ms: finishedAt === null ? null : Date.parse(finishedAt) - began,
    actor,
    progress: isUnfinished(row) ? progressOf(row) : null,
    error,
  }
}

/** `step 2, docs copyAndSwap: COPYING …`, for people. */
function progressOf({ steps, direction }: MigrationRow): string {
  const back = direction === 'down' ? 'on the way back, ' : ''
  const done = steps.filter(({ state }) => state === 'done').length
  const last = steps.at(-1)
  if (last?.state !== 'running') return `${back}${plural(done, 'step')} done`
  return `${back}step ${steps.length}, ${last.title}${detailOf(last)}`
}

function detailOf({ progress }: StepRow): string {
  const swap = describeSwap(progress)
  return swap === null ? '' : `: ${swap.text}`
}
