import type { AgainstReport, CollectionAgainst } from '../backup/verify-against.js'
import { displayName } from '../core/records.js'
import { duration, plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import type { Comparison } from '../transfer/comparison.js'

export function describeAgainst(report: AgainstReport, style: Style): string {
  const { backup, url, status, collections, onlyOnServer, records, durationMs } = report
  const verdict = status === 'equal' ? style.good(status) : style.bad(status)
  const others = onlyOnServer.length === 0 ? [] : [`only on the server: ${onlyOnServer.join(', ')}`]
  return [
    `${verdict}: backup ${backup} and ${url}, ${plural(records, 'record')} in ${duration(durationMs)}`,
    ...collections.flatMap((collection) => describeCollection(collection, style)),
    ...others,
  ].join('\n')
}

function describeCollection(collection: CollectionAgainst, style: Style): string[] {
  const { source, target, status, comparison, warnings } = collection
  const word = status === 'equal' ? style.good(status) : style.bad(status)
  const name = displayName(source)
  const there = displayName(target) === name ? '' : ` as ${displayName(target)}`
  const figures = comparison === null ? 'not on the server' : comparisonText(comparison)
  const samples = (comparison?.samples ?? []).map(
    ({ id, field, expected, actual }) =>
      `    ${JSON.stringify(id)} ${field}: expected ${expected}, found ${actual}`,
  )
  return [
    `  ${word} ${name}${there}: ${figures}`,
    ...samples,
    ...warnings.map(({ message }) => `    ${style.warning('warning:')} ${message}`),
  ]
}

/** `1,000 records, 3 differ, 1 missing; equal but for rounding: 12 vectors`. */
export function comparisonText(comparison: Comparison): string {
  const { records, differing, missing, extra, orderDiffers, tolerated } = comparison
  const parts = [plural(records, 'record')]
  if (differing > 0) parts.push(`${differing} differ`)
  if (missing > 0) parts.push(`${missing} missing`)
  if (extra > 0) parts.push(`${extra} extra`)
  if (orderDiffers) parts.push('in another order')
  const rounding = [
    ...(tolerated.vectors > 0 ? [plural(tolerated.vectors, 'vector')] : []),
    ...(tolerated.metadataFloats > 0 ? [plural(tolerated.metadataFloats, 'float')] : []),
  ]
  const suffix = rounding.length === 0 ? '' : `; equal but for rounding: ${rounding.join(', ')}`
  return parts.join(', ') + suffix
}
