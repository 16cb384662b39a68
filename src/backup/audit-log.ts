import * as v from 'valibot'

import { BlobNotFoundError } from '../storage/blob-store.js'
import { decodeDocument } from './documents.js'
import { DocumentDamagedError } from './errors.js'
import type { Repository } from './repository.js'

/** Who changed what, and how it ended; docs/scripting.md says what is in it. */
export interface AuditEntry {
  readonly time: string
  readonly finished: string
  readonly run: string
  readonly actor: string
  readonly host: string
  readonly version: string
  readonly command: string
  readonly details: Readonly<Record<string, unknown>>
  readonly result: Readonly<Record<string, unknown>>
}

/** An entry that cannot be read. */
export interface DamagedAuditEntry {
  readonly key: string
  readonly damage: string
}

const anything = v.record(v.string(), v.unknown())
const schema = v.object({
  time: v.string(),
  finished: v.string(),
  run: v.string(),
  actor: v.string(),
  host: v.string(),
  version: v.string(),
  command: v.string(),
  details: anything,
  result: anything,
})

/** The audit log of a repository since a time, the oldest entry first; one at a time. */
export async function* readAuditLog(
  repository: Repository,
  { since, signal }: { readonly since?: Date | undefined; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<AuditEntry | DamagedAuditEntry> {
  // Keys begin with the time in seconds, so that older ones need not even be listed.
  const after = since === undefined ? undefined : `log/${since.toISOString().replaceAll(/[-:]|\.\d+Z/g, '')}`
  for await (const { key } of repository.store.list('log/', signal, after)) {
    const entry = await readEntry(repository, key, signal)
    if (entry !== null) yield entry
  }
}

async function readEntry(
  repository: Repository,
  key: string,
  signal: AbortSignal | undefined,
): Promise<AuditEntry | DamagedAuditEntry | null> {
  try {
    const { bytes } = await repository.store.get(key, { signal })
    const parsed = v.safeParse(schema, decodeDocument(repository, 'log', key, bytes))
    return parsed.success ? parsed.output : { key, damage: 'is not an entry of the audit log' }
  } catch (error) {
    if (error instanceof BlobNotFoundError) return null
    if (error instanceof DocumentDamagedError) return { key, damage: error.damage }
    throw error
  }
}
