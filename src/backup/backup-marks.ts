import * as v from 'valibot'

import { BlobNotFoundError } from '../storage/blob-store.js'
import { parseBackupId } from './backup-id.js'
import { decodeDocument, encodeDocument, type DocumentKind } from './documents.js'
import { DocumentDamagedError } from './errors.js'
import { FORMAT, needsSchema, refuseUnknown } from './manifest.js'
import type { Repository } from './repository.js'

/** A kind of document about a backup, `<folder>/<backup id>.json`; the backup itself is never changed. */
interface Mark<T> {
  readonly folder: 'holds' | 'tags' | 'verified' | 'drilled'
  readonly kind: DocumentKind
  readonly schema: v.GenericSchema<unknown, T>
}

/** A backup that must not expire. */
export interface Hold {
  /** Free text. */
  readonly reason: string | null
  /** ISO 8601; null: until it is released. */
  readonly until: string | null
  readonly actor: string
  /** ISO 8601. */
  readonly since: string
}

/** Tags that were given after the backup was made; null takes away one that it was made with. */
export type LaterTags = Readonly<Record<string, string | null>>

/** That all of a backup was read, or restored, and found to be as it was made. */
export interface Verification {
  /** ISO 8601. */
  readonly verified: string
  /** `stored`: every byte; `records`: every record; `drill`: restored, compared and queried. */
  readonly how: 'stored' | 'records' | 'drill'
  readonly actor: string
}

/** That a backup was restored for trial, compared and queried, and how long that took. */
export interface Drill {
  /** ISO 8601. */
  readonly drilled: string
  /** Until the records were back and served. */
  readonly recoveryMs: number
  readonly actor: string
}

const timeSchema = v.pipe(v.string(), v.isoTimestamp())

export const HOLD: Mark<Hold> = {
  folder: 'holds',
  kind: 'hold',
  schema: v.object({
    reason: v.nullable(v.string()),
    until: v.nullable(timeSchema),
    actor: v.string(),
    since: timeSchema,
  }),
}

export const LATER_TAGS: Mark<{ readonly tags: LaterTags }> = {
  folder: 'tags',
  kind: 'status',
  schema: v.object({ tags: v.record(v.string(), v.nullable(v.string())) }),
}

export const VERIFIED: Mark<Verification> = {
  folder: 'verified',
  kind: 'status',
  schema: v.object({
    verified: timeSchema,
    how: v.picklist(['stored', 'records', 'drill']),
    actor: v.string(),
  }),
}

export const DRILLED: Mark<Drill> = {
  folder: 'drilled',
  kind: 'status',
  schema: v.object({ drilled: timeSchema, recoveryMs: v.number(), actor: v.string() }),
}

const MARKS = [HOLD, LATER_TAGS, VERIFIED, DRILLED]

export async function putMark<T extends object>(
  repository: Repository,
  mark: Mark<T>,
  backup: string,
  value: T,
  signal?: AbortSignal,
): Promise<void> {
  const key = markKey(mark, backup)
  const document = { format: FORMAT, requires: [], backup, ...value }
  await repository.store.put(key, encodeDocument(repository, mark.kind, key, document), signal)
}

/** Null when there is none. Rejects with a {@link DocumentDamagedError}. */
export async function readMark<T>(
  repository: Repository,
  mark: Mark<T>,
  backup: string,
  signal?: AbortSignal,
): Promise<T | null> {
  const key = markKey(mark, backup)
  const read = async () =>
    decode(repository, mark, backup, (await repository.store.get(key, { signal })).bytes)
  try {
    return await read()
  } catch (error) {
    if (error instanceof BlobNotFoundError) return null
    // Once more, for the network and the disk err too.
    if (error instanceof DocumentDamagedError) return read()
    throw error
  }
}

export async function removeMark(
  { store }: Repository,
  mark: Mark<unknown>,
  backup: string,
  signal?: AbortSignal,
): Promise<void> {
  await store.delete(markKey(mark, backup), signal)
}

/** Which backups, and backups in the trash, have such a document; nothing is read. */
export async function listMarked(
  { store }: Repository,
  { folder }: Mark<unknown>,
  signal?: AbortSignal,
): Promise<ReadonlySet<string>> {
  const ids = new Set<string>()
  for await (const { key } of store.list(`${folder}/`, signal)) {
    const id = key.slice(folder.length + 1).replace(/\.json$/, '')
    if (parseBackupId(id) !== null) ids.add(id)
  }
  return ids
}

/** Every document of one kind, by backup. Few backups have any. */
export async function readMarks<T>(
  repository: Repository,
  mark: Mark<T>,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, T>> {
  const marks = new Map<string, T>()
  for (const id of await listMarked(repository, mark, signal)) {
    const value = await readMark(repository, mark, id, signal)
    if (value !== null) marks.set(id, value)
  }
  return marks
}

/** What was said about a backup that is no more. */
export async function removeAllMarks(repository: Repository, backup: string, signal?: AbortSignal) {
  for (const mark of MARKS) await removeMark(repository, mark, backup, signal)
}

export function withLaterTags(
  tags: Readonly<Record<string, string>>,
  later: LaterTags | undefined,
): Readonly<Record<string, string>> {
  const merged = new Map(Object.entries(tags))
  for (const [key, value] of Object.entries(later ?? {}))
    if (value === null) merged.delete(key)
    else merged.set(key, value)
  return Object.fromEntries(merged)
}

/** Whether a hold still keeps its backup. */
export function isHeld(hold: Hold | undefined, now: Date): hold is Hold {
  return hold !== undefined && (hold.until === null || Date.parse(hold.until) > now.getTime())
}

export function markKey({ folder }: Pick<Mark<unknown>, 'folder'>, backup: string): string {
  return `${folder}/${backup}.json`
}

function decode<T>(repository: Repository, mark: Mark<T>, backup: string, bytes: Uint8Array): T {
  const key = markKey(mark, backup)
  const document = decodeDocument(repository, mark.kind, key, bytes)
  const needs = v.safeParse(needsSchema, document)
  if (needs.success) refuseUnknown(key, needs.output)
  const parsed = v.safeParse(mark.schema, document)
  const owner = v.safeParse(v.object({ backup: v.literal(backup) }), document)
  if (!parsed.success || !owner.success) throw new DocumentDamagedError(key, 'is not what its name says')
  return parsed.output
}
