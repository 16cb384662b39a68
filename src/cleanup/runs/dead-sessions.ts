import type { BlobStore } from '../../storage/blob-store.js'
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
      if (await isSilent(modified, signal)) await store.delete(name, signal)
    },
  }
}
