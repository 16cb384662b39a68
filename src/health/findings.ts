import { findByCode } from '../chroma/catalogue.js'
import { vectorFindings } from '../chroma/catalogue-vectors.js'
import { ChromaError } from '../chroma/errors.js'
import { explainError } from '../chroma/explain.js'
import { asError, OpsError } from '../core/errors.js'
import { displayName, type CollectionName } from '../core/records.js'
import { RetryExhausted } from '../core/retry-exhausted.js'
import type { HealthFinding } from './report.js'

export function serverFinding(text: Omit<HealthFinding, 'collection'>): HealthFinding {
  return { ...text, collection: null }
}

export function collectionFinding(
  collection: CollectionName,
  text: Omit<HealthFinding, 'collection'>,
): HealthFinding {
  return { ...text, collection: displayName(collection) }
}

/** A collection that cannot be read. Known causes go by their name in the error catalogue. */
export function unreadable(job: {
  readonly collection: CollectionName
  readonly url: string
  /** What was asked: `count`. */
  readonly request: string
  readonly error: unknown
}): HealthFinding {
  const error = rootError(job.error)
  const entry = error instanceof ChromaError && error.finding !== null ? findByCode(error.finding) : undefined
  return collectionFinding(job.collection, {
    id: entry?.finding ?? 'COLLECTION_UNREADABLE',
    severity: 'critical',
    evidence: `${job.request}: ${error.message}`,
    consequence: entry?.what ?? 'This collection cannot be used, although the server is up.',
    advice: hintOf(error) ?? 'look at the log of the server, and restore the collection from a backup',
    command: vectorFindings.some(({ finding }) => finding === entry?.finding)
      ? restoreCommand(job.collection, job.url)
      : explainCommand(error),
  })
}

/** No answer in time, so nothing is known of the collection. */
export function blocked(job: {
  readonly collection: CollectionName
  readonly url: string
  readonly request: string
  readonly limitMs: number
}): HealthFinding {
  return collectionFinding(job.collection, {
    id: 'COLLECTION_BLOCKED',
    severity: 'critical',
    evidence: `${job.request}: no answer within ${job.limitMs / 1000} s`,
    consequence: 'Whoever uses this collection waits: the server is loading its index, or is stuck in it.',
    advice: 'look at the log and the load of the server, and ask again with more time before restarting it',
    command: healthCommand(job.collection, job.url),
  })
}

export function restoreCommand(collection: CollectionName, url: string): string {
  return `chroma-ops restore latest --collection ${shellWord(displayName(collection))} --mode replace --repo REPOSITORY --url ${shellWord(url)}`
}

/** Takes its time and reads everything. */
export function healthCommand(collection: CollectionName, url: string): string {
  return `chroma-ops health --level deep --collection ${shellWord(displayName(collection))} --url ${shellWord(url)}`
}

/** Null when the catalogue has no answer. */
export function explainCommand(error: Error): string | null {
  const text = error instanceof ChromaError ? (error.serverMessage ?? error.message) : error.message
  if (explainError(text).length === 0) return null
  return `chroma-ops explain ${shellWord(text)}`
}

export function shellWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}

export function codeOf(error: Error): string | undefined {
  return error instanceof OpsError ? error.code : undefined
}

export function hintOf(error: Error): string | undefined {
  return error instanceof OpsError ? error.hint : undefined
}

/** What went wrong, without the story of its repetitions. */
export function rootError(thrown: unknown): Error {
  return thrown instanceof RetryExhausted ? thrown.lastError : asError(thrown)
}
