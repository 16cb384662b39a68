import { UsageError } from '../core/errors.js'
import { sha256Hex } from './object-reference.js'

const MAX_LENGTH = 63

/** Throws {@link UsageError} unless `series` is lower-case letters, digits and dashes, at most 63. */
export function checkSeries(series: string): void {
  if (/^[a-z0-9][a-z0-9-]{0,62}$/.test(series)) return
  throw new UsageError(`"${series}" is not the name of a series`, {
    hint: 'use 1 to 63 lower-case letters, digits and dashes; the first is a letter or a digit',
  })
}

/**
 * A series for a target that was given none: the host, the port unless it is the default one, and the
 * path of its URL, such as `127-0-0-1-8000`.
 */
export function seriesOfUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : null
  const text = parsed === null ? url : `${parsed.host}${parsed.pathname}`
  const slug = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
  if (slug === '') return 'default'
  return slug.length <= MAX_LENGTH
    ? slug
    : `${slug.slice(0, MAX_LENGTH - 9)}-${sha256Hex(Buffer.from(text)).slice(0, 8)}`
}
