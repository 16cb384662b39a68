import { throwIfAborted } from '../core/errors.js'
import { mapInOrder } from '../core/map-in-order.js'
import type { Progress } from '../core/progress.js'
import { BlobExistsError, type BlobInfo, type BlobStore } from '../storage/blob-store.js'
import { hasBlob } from '../storage/has-blob.js'
import { checksumFault } from './documents.js'
import { fenceKey } from './live-sessions.js'
import { manifestKey } from './manifest.js'
import { ownerOf } from './needed-objects.js'
import { sha256Hex } from './object-reference.js'
import { describeRepository } from './repository.js'
import { unsealJson } from './sealed-json.js'
import {
  announcementKey,
  announcementOf,
  keysIn,
  refuseForeign,
  spooledBackups,
  type Spool,
} from './spool.js'
import { SpoolBusyError, SpoolDamagedError, SpoolFencedError } from './spool-errors.js'

const SILENT_MS = 180_000
const HEARTBEAT_MS = 30_000
const FAREWELL_MS = 5_000

export interface PushJob {
  readonly spool: Spool
  /** The store of the repository; no key is needed. */
  readonly repository: BlobStore
  /** Objects under way at once. */
  readonly concurrency: number
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

export interface PushReport {
  /** Ids, the oldest first. */
  readonly pushed: readonly string[]
  /** Sent; what was there already is not. */
  readonly objects: number
  readonly bytes: number
}

/**
 * Moves the backups that wait in a spool into their repository: every object, verified, then the manifests, then what
 * is in the spool is removed. To be repeated when it was stopped: it goes on where it was. Rejects with a
 * SpoolForeignError (15), a {@link SpoolBusyError} (11), a {@link SpoolDamagedError} (13), or an error of a store;
 * what waits then still does.
 */
export async function pushSpool(job: PushJob): Promise<PushReport> {
  const { spool, repository, signal } = job
  const backups = await spooledBackups(spool, signal)
  const nothing = { pushed: [], objects: 0, bytes: 0 }
  if (backups.length === 0) return nothing
  await refuseForeign(spool, repository, signal)
  const unfinished = await refuseBusy(spool, signal)
  const { isEncrypted } = await describeRepository({ store: spool.store, signal })
  const stop = await beginSessions(job, backups)
  try {
    const objects: BlobInfo[] = []
    for await (const info of spool.store.list('objects/', signal))
      if (!unfinished.has(ownerOf(info.key) ?? '')) objects.push(info)
    const sent = await sendObjects(job, objects)
    for (const backup of backups) await commit(job, backup, isEncrypted)
    await moveLog(job)
    await removeSpooled(spool, backups, objects)
    return { pushed: backups, ...sent }
  } finally {
    await stop()
  }
}

/** The runs that died in the spool: what they have stored waits for the next one there. */
async function refuseBusy({ folder, store }: Spool, signal: AbortSignal | undefined) {
  const unfinished = new Set<string>()
  for await (const { key, modified } of store.list('sessions/', signal)) {
    if (Date.now() - modified.getTime() < SILENT_MS) throw new SpoolBusyError(folder, key)
    unfinished.add(key.slice('sessions/'.length, -'.json'.length))
  }
  return unfinished
}

/** So that prune leaves alone what is on its way, as with a backup that is being made. */
async function beginSessions(job: PushJob, backups: readonly string[]): Promise<() => Promise<void>> {
  const { spool, repository, progress, signal } = job
  const sessions: { readonly key: string; readonly bytes: Uint8Array }[] = []
  for (const backup of backups) {
    const bytes = await announcementOf(spool, backup, signal)
    if (bytes !== null) sessions.push({ key: `sessions/${backup}.json`, bytes })
  }
  const write = async () => {
    for (const { key, bytes } of sessions) await repository.put(key, bytes, signal)
  }
  await write()
  let writing = Promise.resolve()
  const timer = setInterval(() => {
    writing = write().catch((error: unknown) => {
      progress.warn({ code: 'SESSION_RECORD', message: `sessions/ could not be refreshed: ${String(error)}` })
    })
  }, HEARTBEAT_MS)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await writing
    const farewell = AbortSignal.timeout(FAREWELL_MS)
    for (const { key } of sessions) {
      try {
        await repository.delete(key, farewell)
      } catch (error) {
        progress.warn({ code: 'SESSION_RECORD', message: `${key} could not be removed: ${String(error)}` })
      }
    }
  }
}

async function sendObjects(job: PushJob, objects: readonly BlobInfo[]) {
  const { spool, repository, concurrency, progress, signal } = job
  const there = new Map<string, number>()
  for (const owner of new Set(objects.map(({ key }) => key.slice(0, key.lastIndexOf('/') + 1))))
    for await (const { key, size } of repository.list(owner, signal)) there.set(key, size)
  const missing = objects.filter(({ key, size }) => there.get(key) !== size)
  const sent = { objects: 0, bytes: 0 }
  const results = mapInOrder(
    each(missing),
    concurrency,
    async ({ key }, stop) => {
      const { bytes } = await spool.store.get(key, { signal: stop })
      if (!key.endsWith(`.${sha256Hex(bytes)}`))
        throw new SpoolDamagedError(`${key} in ${spool.folder} is not what was written`, {
          hint: 'the backup cannot be moved; make a new one and remove the folder',
        })
      await repository.put(key, bytes, stop)
      return bytes.length
    },
    signal,
  )
  for await (const size of results) {
    sent.objects++
    sent.bytes += size
    progress.update({
      task: 'push',
      phase: 'write',
      done: sent.objects,
      total: missing.length,
      unit: 'objects',
      bytes: sent.bytes,
    })
  }
  return sent
}

/** Like `commitBackup`, with the bytes as they are. */
async function commit({ spool, repository, signal }: PushJob, backup: string, isEncrypted: boolean) {
  throwIfAborted(signal)
  const key = manifestKey(backup)
  const { bytes } = await spool.store.get(key, { signal })
  const fault = isEncrypted ? checksumFault(bytes) : plainFault(bytes)
  if (fault !== null)
    throw new SpoolDamagedError(`${key} in ${spool.folder} ${fault}`, {
      hint: 'the backup cannot be moved; make a new one and remove the folder',
    })
  if (await hasBlob(repository, fenceKey(backup), signal)) throw new SpoolFencedError(backup)
  try {
    await repository.putNew(key, bytes, signal)
  } catch (error) {
    // An earlier push was stopped behind this.
    if (!(error instanceof BlobExistsError)) throw error
  }
  const stored = (await repository.get(key, { signal })).bytes
  if (!Buffer.from(bytes).equals(stored))
    throw new SpoolDamagedError(`${key} in ${repository.displayUrl} is not what is in ${spool.folder}`)
  if (!(await hasBlob(repository, fenceKey(backup), signal))) return
  await repository.delete(key, AbortSignal.timeout(FAREWELL_MS))
  throw new SpoolFencedError(backup)
}

function plainFault(bytes: Uint8Array): string | null {
  const unsealed = unsealJson(bytes)
  return 'damage' in unsealed ? unsealed.damage : null
}

/** What the audit log says of them. */
async function moveLog({ spool, repository, signal }: PushJob): Promise<void> {
  for (const key of await keysIn(spool.store, 'log/', signal)) {
    await repository.put(key, (await spool.store.get(key, { signal })).bytes, signal)
    await spool.store.delete(key, signal)
  }
}

/** The manifests last: what is stopped here begins anew, and finds everything in the repository. */
async function removeSpooled(
  { store }: Spool,
  backups: readonly string[],
  objects: readonly BlobInfo[],
): Promise<void> {
  for (const { key } of objects) await store.delete(key)
  for (const backup of backups) {
    for (const folder of ['tags', 'holds', 'verified']) await store.delete(`${folder}/${backup}.json`)
    await store.delete(announcementKey(backup))
    await store.delete(manifestKey(backup))
  }
  for (const key of await keysIn(store, 'locks/')) await store.delete(key)
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}
