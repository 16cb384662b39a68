import type { BlobStore } from '../../storage/blob-store.js'
import { hasBlob } from '../../storage/has-blob.js'
import type { Leftover, LeftoverPlace } from './leftover.js'

const PREFIX = 'sessions/'

/**
 * Records of backups that were running: `sessions/<backup id>.json`, written again every 30 s. The store's own
 * clock decides, because that of the host that wrote may be wrong.
 */
export function deadSessions(store: BlobStore, silentMs: number): LeftoverPlace {
  const isSilent = async (modified: Date, signal: AbortSignal | undefined) =>
    (await store.storeTime(signal)).getTime() - modified.getTime() > silentMs
  return {
    async find(signal) {
      const found: Leftover[] = []
      for await (const { key, size, modified } of store.list(PREFIX, signal))
        if (await isSilent(modified, signal))
          found.push({
            kind: 'session',
            name: key,
            why: `no sign of life since ${modified.toISOString()}`,
            bytes: size,
          })
      return found
    },
    async remove({ name }, signal) {
      // It may have woken up since.
      const { modified } = await store.stat(name, signal)
      if (!(await isSilent(modified, signal))) return
      await fence(store, name, signal)
      await store.delete(name, signal)
    },
  }
}

/**
 * The run may only be asleep: it must not commit any more, for prune does not know of it from here on. See "How a
 * backup is written" in docs/format.md.
 */
async function fence(store: BlobStore, session: string, signal: AbortSignal | undefined): Promise<void> {
  const name = session.slice(PREFIX.length)
  const isCommitted = () => hasBlob(store, `backups/${name}`, signal)
  if (await isCommitted()) return
  await store.put(`locks/${name}`, Buffer.from('{"format":1}\n'), signal)
  // Committed in the last moment: then it is a backup like any other.
  if (await isCommitted()) await store.delete(`locks/${name}`, signal)
}
