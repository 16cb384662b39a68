import type { ComparedCollection, ServerComparison } from '../backup/compare-with-server.js'
import { displayName } from '../core/records.js'
import { plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import type { Comparison } from '../transfer/comparison.js'

export function describeServerComparison(result: ServerComparison, style: Style): string {
  const { backup, url, equal, collections } = result
  const verdict = equal ? style.good('equal') : style.bad('different')
  return [
    `${verdict}: backup ${backup} and ${url}`,
    ...collections.flatMap((collection) => describeCollection(collection, style)),
  ].join('\n')
}

function describeCollection(collection: ComparedCollection, style: Style): string[] {
  const { status, comparison } = collection
  const word = status === 'equal' ? style.good(status) : style.bad(status)
  if (comparison === null) return [`  ${word} ${displayName(collection)}: not on the server`]
  return [
    `  ${word} ${displayName(collection)}: ${comparisonText(comparison)}`,
    ...comparison.samples.map(
      ({ id, field, expected, actual }) =>
        `    ${JSON.stringify(id)} ${field}: expected ${expected}, found ${actual}`,
    ),
  ]
}

/** `1,000 records, 3 differ, 1 missing; tolerated: 12 vectors`. */
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
