import type { CompleteResult, KeptCollection } from '../migrations/run/complete.js'
import { columnName, grouped, plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import { table } from '../output/table.js'
import { until } from './describe-migration-lock.js'

/** What migrations keep, and what of it is dropped; `next` is the command that drops it. */
export function describeKept({ applied, collections }: CompleteResult, style: Style, next: string): string {
  if (collections.length === 0) return 'no migration keeps an old collection'
  const due = collections.filter((collection) => collection.due)
  const records = due.reduce((sum, each) => sum + each.records, 0)
  const what = `${plural(due.length, 'collection')} with ${plural(records, 'record')}`
  return [
    table(
      ['collection', 'of', 'why', 'records', 'kept', applied ? 'dropped' : 'due'],
      inOrder(collections).map((each) => [
        columnName(each.name),
        each.version,
        each.kind === 'trash' ? 'dropped' : 'replaced',
        grouped(each.records),
        until(each.keepUntil),
        each.due ? style.warning('yes') : 'no',
      ]),
      ['records'],
    ),
    applied
      ? `dropped ${what}`
      : due.length === 0
        ? 'nothing is due yet; --early drops it all the same'
        : `nothing has been dropped; ${what} would be: ${next}`,
  ].join('\n')
}

/** Oldest migration first: names of kept collections are random. */
export function inOrder(collections: readonly KeptCollection[]): readonly KeptCollection[] {
  return collections.toSorted((a, b) => (`${a.version} ${a.name}` < `${b.version} ${b.name}` ? -1 : 1))
}
