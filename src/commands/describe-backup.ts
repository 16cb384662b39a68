import type { Hold } from '../backup/backup-marks.js'
import type { ResumedRuns } from '../backup/left-objects.js'
import type { BackupHead, CollectionEntry } from '../backup/manifest.js'
import { bytes, duration, grouped, instant, plural, shortBytes } from '../output/format.js'
import type { Style } from '../output/style.js'
import { table } from '../output/table.js'
import { labelledName } from './labelled-name.js'

type ShownHead = Omit<BackupHead, 'contents'> & { readonly hold?: Hold | null }

/** A collection without the places of its objects. */
export function shownCollection({
  catalogue: _,
  ...entry
}: CollectionEntry): Omit<CollectionEntry, 'catalogue'> {
  return entry
}

/** A backup as a person reads it: one fact on a line, then its collections. */
export function describeHead(
  head: ShownHead,
  collections: readonly Omit<CollectionEntry, 'catalogue'>[],
  style: Style,
): string {
  const facts = [
    ['backup', style.bold(head.id)],
    ['status', statusText(head, style)],
    ['type', head.type],
    ['series', head.series],
    ['target', head.target.url],
    ['scope', scopeText(head)],
    ['finished', `${instant(new Date(head.finished))} after ${duration(head.durationMs)}`],
    [
      'contents',
      `${plural(head.counts.collections, 'collection')}, ${plural(head.counts.records, 'record')}`,
    ],
    ['size', bytes(head.sizes.logical)],
    ['stored', `${bytes(head.sizes.stored)}, of which this backup added ${bytes(head.sizes.added)}`],
    ['consistency', consistencyText(head)],
    ['made by', `${head.actor} on ${head.host}, chroma-ops ${head.tool.version}`],
  ]
  const tags = Object.entries(head.tags).map(([key, value]) => `${key}=${value}`)
  if (tags.length > 0) facts.push(['tags', tags.join(', ')])
  if (head.hold != null) facts.push(['held', holdText(head.hold)])
  const lines = facts.map(([name = '', fact = '']) => `${name.padEnd(12)}${fact}`)
  return [...lines, '', describeCollections(collections, style)].join('\n')
}

function holdText({ reason, until, actor }: Hold): string {
  const end = until === null ? '' : ` until ${instant(new Date(until))}`
  return `by ${actor}${end}${reason === null ? '' : `: ${reason}`}`
}

function describeCollections(
  collections: readonly Omit<CollectionEntry, 'catalogue'>[],
  style: Style,
): string {
  if (collections.length === 0) return 'no collections'
  const rows = collections.map((entry) => [
    labelledName(entry),
    entry.status === 'failed' ? '-' : grouped(entry.records),
    entry.dimension === null ? '-' : String(entry.dimension),
    entry.status === 'failed' ? '-' : shortBytes(entry.logicalBytes),
    entry.status === 'complete' ? style.good(entry.status) : style.bad(entry.status),
    entry.error?.message ?? '',
  ])
  return table(['collection', 'records', 'dimension', 'size', 'status', ''], rows, [
    'records',
    'dimension',
    'size',
  ])
}

function scopeText({ scope }: ShownHead): string {
  const { tenants, databases, collections, exclude } = scope
  return [
    `${databases === null ? 'all databases' : `database ${databases.join(', ')}`} of ${tenants.join(', ')}`,
    ...(collections.length > 0 ? [`only ${collections.join(', ')}`] : []),
    ...(exclude.length > 0 ? [`without ${exclude.join(', ')}`] : []),
  ].join('; ')
}

function statusText({ status, counts }: ShownHead, style: Style): string {
  if (status === 'complete') return style.good(status)
  const lost = counts.missingVectors > 0 ? [`${plural(counts.missingVectors, 'vector')} missing`] : []
  const failed =
    counts.failedCollections > 0 ? [`${plural(counts.failedCollections, 'collection')} failed`] : []
  return style.bad([status, ...failed, ...lost].join(', '))
}

function consistencyText({ consistency }: ShownHead): string {
  const { kind, added, removed, missing, collectionsAdded, collectionsRemoved } = consistency
  const changes = [
    count(added, 'record', 'added'),
    count(removed, 'record', 'removed'),
    count(missing, 'record', 'gone before it could be read'),
    count(collectionsAdded, 'collection', 'added'),
    count(collectionsRemoved, 'collection', 'dropped'),
  ].filter((text) => text !== '')
  return changes.length === 0 ? kind : `${kind}: ${changes.join(', ')} while it ran`
}

function count(number: number, noun: string, what: string): string {
  return number === 0 ? '' : `${plural(number, noun)} ${what}`
}

/** A line about what killed runs had stored already; none where there was nothing. */
export function describeResumed(resumed: ResumedRuns | null): string[] {
  if (resumed === null || resumed.objects === 0) return []
  return [`${bytes(resumed.bytes)} had been stored by a killed run, and were not sent again`]
}
