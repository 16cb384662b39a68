import type { ChromaApi } from '../chroma/api.js'
import { CollectionNotFoundError } from '../chroma/errors.js'
import { OpsError, throwIfAborted } from '../core/errors.js'
import type { CollectionDefinition } from '../core/records.js'
import { blocked, rootError, unreadable } from './findings.js'
import type { HealthFinding } from './report.js'

/** What the checks of one collection work with. */
export interface CollectionProbe {
  readonly api: ChromaApi
  readonly collection: CollectionDefinition
  /** Of the server, for commands that are suggested. */
  readonly url: string
  /** For one request. */
  readonly limitMs: number
  readonly signal: AbortSignal
}

export interface Answer<T> {
  readonly value: T
  readonly ms: number
}

/** A request failed in a way that says enough about the collection. */
export class CheckFailed extends Error {
  readonly finding: HealthFinding

  constructor(finding: HealthFinding, cause: unknown) {
    super(finding.evidence, { cause })
    this.finding = finding
  }
}

/**
 * One request, with its time. Rejects with {@link CheckFailed}, with {@link CollectionNotFoundError} (it was
 * deleted meanwhile), and with AbortedError when the probe's signal fires.
 */
export async function ask<T>(
  probe: CollectionProbe,
  request: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<Answer<T>> {
  const limit = AbortSignal.timeout(probe.limitMs)
  const started = performance.now()
  try {
    const value = await work(AbortSignal.any([probe.signal, limit]))
    return { value, ms: Math.round(performance.now() - started) }
  } catch (thrown) {
    throwIfAborted(probe.signal)
    if (thrown instanceof CollectionNotFoundError) throw thrown
    if (!limit.aborted && !(thrown instanceof OpsError)) throw thrown
    const error = rootError(thrown)
    const finding = limit.aborted ? blocked({ ...probe, request }) : unreadable({ ...probe, request, error })
    throw new CheckFailed(finding, error)
  }
}
