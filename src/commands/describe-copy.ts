import { displayName } from '../core/records.js'
import { bytes, columnName, countRate, duration, grouped, plural, shortBytes } from '../output/format.js'
import type { Style } from '../output/style.js'
import { table } from '../output/table.js'
import type {
  CollectionCopied,
  CopyConsistency,
  CopyPlan,
  CopySummary,
  PlannedCopy,
} from '../transfer/copy-summary.js'
import type { LimitFinding } from '../transfer/target-limits.js'

/** Ids of offenders that are shown; all that were kept are in the JSON. */
const SHOWN_IDS = 3
const FIGURES = ['records', 'size', 'there now', 'to write', 'to delete']

export function describeCopy(summary: CopySummary, style: Style): string {
  const { from, to, collections, records, written, changed, deleted, durationMs } = summary
  const figures = [
    plural(collections.length, 'collection'),
    plural(records, 'record'),
    `${grouped(written)} written`,
    ...(changed > 0 ? [`${grouped(changed)} of them changed`] : []),
    ...(deleted > 0 ? [`${grouped(deleted)} deleted`] : []),
    duration(durationMs),
    ...(written > 0 ? [countRate(written, 'records', durationMs)] : []),
  ]
  return [
    `copied ${from} to ${to}`,
    figures.join(', '),
    verdictOf(summary, style),
    ...collections.flatMap((collection) => describeCollection(collection, style)),
  ].join('\n')
}

function verdictOf({ equal, collections }: CopySummary, style: Style): string {
  if (equal === null) return 'nothing was left to copy'
  if (equal)
    return `${style.good('every record compared with the source: equal')}${roundingText(collections)}`
  if (collections.some(({ consistency }) => consistency?.kind === 'fuzzy'))
    return style.warning(
      'the source was written to: every record was equal when it was read; the same command with --sync brings over what came later, with --sync --delete also what was deleted',
    )
  return 'every record of the source is there; the targets have others beside them, or were not to be changed'
}

/** What Chroma itself rounds when it stores a value is no difference, but is told. */
function roundingText(collections: CopySummary['collections']): string {
  const sum = (kind: 'vectors' | 'metadataFloats') =>
    collections.reduce((total, { tolerated }) => total + tolerated[kind], 0)
  const [vectors, floats] = [sum('vectors'), sum('metadataFloats')]
  const parts = [
    ...(vectors > 0 ? [plural(vectors, 'vector')] : []),
    ...(floats > 0 ? [plural(floats, 'float')] : []),
  ]
  return parts.length === 0 ? '' : ` but for rounding of ${parts.join(' and ')} by Chroma`
}

function describeCollection(collection: CollectionCopied, style: Style): string[] {
  const { target, action, records, written, deleted, extra, consistency, keptAs, warnings } = collection
  const remarks = [
    ...(deleted > 0 ? [`${plural(deleted, 'record')} deleted`] : []),
    ...(extra > 0 ? [`${plural(extra, 'record')} only there`] : []),
    ...(consistency?.kind === 'fuzzy' ? [fuzzyText(consistency)] : []),
    ...(keptAs === null ? [] : [`the old one stays as ${keptAs}`]),
  ]
  return [
    `  ${displayName(target)}: ${[`${action}, ${plural(records, 'record')}, ${grouped(written)} written`, ...remarks].join('; ')}`,
    ...warnings.map(({ message }) => `    ${style.warning('warning:')} ${message}`),
  ]
}

function fuzzyText({ added, removed, missing, changed }: CopyConsistency): string {
  const figures = [
    [added, 'added'],
    [removed, 'removed'],
    [missing, 'gone before they were read'],
    [changed, 'changed'],
  ] as const
  const parts = figures.filter(([count]) => count > 0).map(([count, what]) => `${grouped(count)} ${what}`)
  return `written to meanwhile: ${parts.join(', ')}`
}

export function describeCopyPlan(plan: CopyPlan, style: Style): string {
  const { from, to, mode, sync, limits, collections, createTenants, createDatabases, records, fits } = plan
  const where = limits === 'cloud' ? 'Chroma Cloud' : 'the target'
  return [
    `nothing has been written; a copy of ${from} to ${to} (${sync ? 'sync' : `mode ${mode}`}) would`,
    ...createTenants.map((tenant) => `  create tenant ${tenant}`),
    ...createDatabases.map((database) => `  create database ${database}`),
    table(
      ['collection', 'to', 'action', ...FIGURES],
      collections.map((collection) => planRow(collection, style)),
      FIGURES,
    ),
    `${plural(collections.length, 'collection')}, ${plural(records, 'record')}, ${bytes(plan.bytes)}`,
    fits
      ? style.good(`every record was read and fits into ${where}`)
      : style.bad(`not everything fits into ${where}:`),
    ...collections.flatMap((collection) => findingLines(collection)),
    ...collections.flatMap(({ changes }) =>
      changes.map(({ message }) => `${style.warning('would change:')} ${message}`),
    ),
    ...collections.flatMap(({ source, withoutVector }) =>
      withoutVector === 0
        ? []
        : [
            `${style.warning('warning:')} ${displayName(source)}: ${plural(withoutVector, 'record')} without a vector would stay out`,
          ],
    ),
    ...plan.refusals.map(({ code, message }) => `${style.bad('would be refused:')} ${message} (${code})`),
  ].join('\n')
}

function planRow(collection: PlannedCopy, style: Style): string[] {
  const { source, target, action, resumes, records, existingRecords, difference } = collection
  const isSame = displayName(target) === displayName(source)
  return [
    columnName(displayName(source)),
    isSame ? 'same name' : columnName(displayName(target)),
    action === 'refuse' ? style.bad(action) : `${action}${resumes ? ' (resumes)' : ''}`,
    grouped(records),
    shortBytes(collection.bytes),
    existingRecords === null ? '-' : grouped(existingRecords),
    difference === null ? '-' : grouped(difference.missing + difference.changes),
    difference === null ? '-' : grouped(difference.deletes),
  ]
}

function findingLines({ source, limits }: PlannedCopy): string[] {
  return limits.findings.map((finding) => `  ${displayName(source)}: ${findingText(finding)}`)
}

function findingText({ code, message, count, ids }: LimitFinding): string {
  if (ids.length === 0) return `${message} (${code})`
  const more = count > SHOWN_IDS ? ` and ${grouped(count - SHOWN_IDS)} more` : ''
  return `${plural(count, 'record')} with ${message} (${code}): ${ids.slice(0, SHOWN_IDS).join(', ')}${more}`
}
