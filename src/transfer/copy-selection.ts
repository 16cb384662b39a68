import { CollectionNotFoundError } from '../chroma/errors.js'
import { ServerSource } from '../chroma/server-source.js'
import { parseServerUrl } from '../chroma/server-url.js'
import { parseCollectionPattern, selectCollections, unmatchedPatterns } from '../core/collection-pattern.js'
import { GuardError, UsageError } from '../core/errors.js'
import { displayName, type CollectionDefinition } from '../core/records.js'
import type { CopyJob } from './copy-job.js'
import type { RestoreItem, RestoreRecordsJob } from './restore-job.js'
import { mapTargets } from './restore-targets.js'

/** Bytes of a record beside its vector, for the estimates of the plan. */
const RECORD_BYTES = 500

/**
 * The collections that a copy was asked for, as work for the engine. Rejects with a CollectionNotFoundError (10),
 * a {@link UsageError} (2) when names clash or something would be copied onto itself, or a {@link GuardError}
 * `COPY_EMPTY` (15).
 */
export async function selectForCopy(job: CopyJob): Promise<RestoreRecordsJob> {
  const { from, to, signal } = job
  const source = new ServerSource({
    api: from,
    scope: job.scope,
    tempDir: job.tempDir,
    ...(job.concurrency !== undefined && { concurrency: job.concurrency }),
  })
  const chosen = choose(job, await source.listCollections(signal))
  const mapped = mapTargets(chosen, {
    rename: job.rename ?? new Map(),
    targetTenant: job.targetTenant ?? null,
    targetDatabase: job.targetDatabase ?? null,
    verb: 'copied',
  })
  if (isSameServer(from.transport.displayUrl, to.transport.displayUrl)) {
    const same = mapped.find(({ source: from, target }) => displayName(from) === displayName(target))
    if (same !== undefined)
      throw new UsageError(`${displayName(same.target)} would be copied onto itself`, {
        hint: 'within one server, give --to-database, --to-tenant or --rename',
      })
  }
  const items: RestoreItem[] = []
  for (const { source: definition, target } of mapped) {
    const records = await from.count(definition, signal)
    const bytes = records * ((definition.dimension ?? 0) * Float32Array.BYTES_PER_ELEMENT + RECORD_BYTES)
    // What an earlier run has written is compared anyway; only another collection makes it worthless.
    items.push({ definition, target, content: definition.id, records, bytes })
  }
  return {
    origin: { source, id: originOf(from.transport.displayUrl, to.transport.displayUrl) },
    items,
    api: to,
    mode: job.mode ?? 'create',
    dropOld: job.dropOld ?? false,
    compare: true,
    stateDir: job.stateDir ?? null,
    concurrency: job.concurrency,
    progress: job.progress,
    signal,
  }
}

function choose(job: CopyJob, collections: readonly CollectionDefinition[]): readonly CollectionDefinition[] {
  const include = (job.collections ?? []).map(parseCollectionPattern)
  const exclude = (job.exclude ?? []).map(parseCollectionPattern)
  const unmatched = unmatchedPatterns(include, collections)
  if (unmatched.length > 0)
    throw new CollectionNotFoundError(
      unmatched.map(({ text }) => text),
      collections.map(displayName),
    )
  const chosen = selectCollections(collections, { include, exclude })
  if (chosen.length === 0)
    throw new GuardError('COPY_EMPTY', `there is no collection to copy at ${job.from.transport.displayUrl}`, {
      hint: 'look at --from-tenant, --from-database and --exclude',
    })
  return chosen
}

/** The same in every run of a copy between these servers. */
function originOf(from: string, to: string): string {
  return `copy ${canonical(from)} ${canonical(to)}`
}

/** As far as addresses tell; the names of this machine are one. */
export function isSameServer(a: string, b: string): boolean {
  return canonical(a) === canonical(b)
}

function canonical(url: string): string {
  const { protocol, hostname, port, pathname } = new URL(parseServerUrl(url).displayUrl)
  const host = /^(localhost|127\.0\.0\.1|\[::1\])$/.test(hostname) ? 'localhost' : hostname
  return `${protocol}//${host}:${port}${pathname.replace(/\/+$/, '')}`
}
