import type { EmptiedQuarantine, QuarantinedRun } from '../cleanup/quarantine.js'
import { bytes, duration, grouped, instant, plural, shortBytes } from '../output/format.js'
import type { Style } from '../output/style.js'
import { table } from '../output/table.js'

export function runTable(runs: readonly QuarantinedRun[]): string {
  const rows = runs.map(({ run, kind, created, state, bytes: size, removed, replacedBy }) => [
    run,
    instant(new Date(created)),
    kind === 'restore' ? `replaced by a restore of ${replacedBy ?? ''}`.trim() : state,
    kind === 'restore' ? '' : grouped(removed.reduce((sum, { count }) => sum + count, 0)),
    shortBytes(size),
  ])
  return table(['run', 'created', 'state', 'things', 'size'], rows, ['things', 'size'])
}

export function describeEmptied(
  { applied, runs, freedBytes, errors, durationMs }: EmptiedQuarantine,
  style: Style,
): string {
  if (runs.length === 0 && errors.length === 0) return 'nothing to delete'
  const size = bytes(applied ? freedBytes : runs.reduce((sum, run) => sum + run.bytes, 0))
  return [
    ...(runs.length === 0 ? [] : [runTable(runs), '']),
    ...errors.map(({ message }) => `${style.bad('not deleted')}: ${message}`),
    applied
      ? `${plural(runs.length, 'run')} deleted, ${size} given back (${duration(durationMs)})`
      : `would delete ${plural(runs.length, 'run')}, ${size}; add --apply to do it`,
  ].join('\n')
}
