import { ExitCode } from '../core/exit-code.js'
import { displayName } from '../core/records.js'
import { bytes, columnName, countRate, duration, grouped, plural, shortBytes } from '../output/format.js'
import type { Style } from '../output/style.js'
import { table } from '../output/table.js'
import type {
  CollectionRestored,
  ErasedRecords,
  PlannedCollection,
  RestorePlan,
  RestoreSummary,
} from '../transfer/restore-plan.js'
import { comparisonText } from './describe-comparison.js'

/** A plan that would be refused ends as the restore would. */
export function restorePlanExitCode({ refusals }: RestorePlan): ExitCode {
  return refusals.length === 0 ? ExitCode.ok : ExitCode.refused
}

export function describeRestorePlan(plan: RestorePlan, style: Style): string {
  const { backup, url, mode, collections, createTenants, createDatabases, records, refusals } = plan
  return [
    `nothing has been written; a restore of ${backup} to ${url} (mode ${mode}) would`,
    ...createTenants.map((tenant) => `  create tenant ${tenant}`),
    ...createDatabases.map((database) => `  create database ${database}`),
    table(
      ['collection', 'to', 'action', 'records', 'size', 'there now'],
      collections.map((collection) => planRow(collection, style)),
      ['records', 'size', 'there now'],
    ),
    `${plural(collections.length, 'collection')}, ${plural(records, 'record')}, about ${bytes(plan.bytes)}`,
    ...plan.warnings.map(({ message }) => `${style.warning('warning:')} ${message}`),
    ...erasedLines(plan.erased),
    ...refusals.map(({ code, message }) => `${style.bad('would be refused:')} ${message} (${code})`),
  ].join('\n')
}

function planRow(collection: PlannedCollection, style: Style): string[] {
  const { source, target, action, resumes, records, existingRecords } = collection
  return [
    columnName(displayName(source)),
    displayName(target) === displayName(source) ? 'same name' : columnName(displayName(target)),
    action === 'refuse' ? style.bad(action) : `${action}${resumes ? ' (resumes)' : ''}`,
    grouped(records),
    shortBytes(collection.bytes),
    existingRecords === null ? '-' : grouped(existingRecords),
  ]
}

export function describeRestore(summary: RestoreSummary, style: Style): string {
  const { backup, url, collections, records, written, durationMs, equal, warnings } = summary
  const verdict =
    equal === null
      ? 'not compared with the backup'
      : equal
        ? style.good('every record compared with the backup: equal')
        : style.bad('NOT equal to the backup')
  const figures = [
    plural(collections.length, 'collection'),
    plural(records, 'record'),
    bytes(summary.bytes),
    `${grouped(written)} written`,
    duration(durationMs),
    countRate(written, 'records', durationMs),
  ]
  return [
    `restored ${backup} to ${url}`,
    figures.join(', '),
    verdict,
    ...collections.flatMap(describeCollection),
    ...warnings.map(({ message }) => `${style.warning('warning:')} ${message}`),
    ...erasedLines(summary.erased),
  ].join('\n')
}

/** What a restore left out, for people. */
export function erasedLines(erased: readonly ErasedRecords[]): string[] {
  return erased.map(
    ({ collection, records }) =>
      `${collection}: ${plural(records, 'record')} left out, erased since the backup (--include-erased brings them back)`,
  )
}

function describeCollection(collection: CollectionRestored): string[] {
  const { target, action, comparison, records, deleted, withoutVector, keptAs, warnings } = collection
  const figures = comparison === null ? plural(records, 'record') : comparisonText(comparison)
  const remarks = [
    ...(deleted > 0 ? [`${plural(deleted, 'record')} deleted`] : []),
    ...(withoutVector > 0 ? [`${plural(withoutVector, 'record')} without a vector left out`] : []),
    ...(keptAs === null ? [] : [`the old one stays as ${keptAs}`]),
  ]
  return [
    `  ${displayName(target)}: ${[`${action}, ${figures}`, ...remarks].join('; ')}`,
    ...warnings.map(({ message }) => `    warning: ${message}`),
  ]
}
