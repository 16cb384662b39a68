import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { throwIfAborted } from '../../core/errors.js'
import type { ArchiveEntry } from './archive-entries.js'

/** Every file has the same time, owner and mode, so that equal backups give equal archives. */
const SAME = { date: new Date(0), mode: 0o644 }

/**
 * Writes files into a tar archive, one after the other, and ends the sink. Waits for the sink: memory is bounded by a
 * few files. Rejects with what the entries or the sink fail with, or with an AbortedError; then the sink is destroyed.
 */
export async function writeTar(
  entries: AsyncIterable<ArchiveEntry>,
  sink: Writable,
  signal?: AbortSignal,
): Promise<void> {
  throwIfAborted(signal)
  const { TarArchive } = await import('archiver')
  const archive = new TarArchive()
  const written = pipeline(archive, sink)
  // Awaited at the end; a sink that fails earlier ends the wait below.
  written.catch(() => undefined)
  try {
    for await (const { name, bytes } of entries) {
      throwIfAborted(signal)
      const added = once(archive, 'entry')
      added.catch(() => undefined)
      archive.append(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), { name, ...SAME })
      await Promise.race([added, written])
    }
    await Promise.race([archive.finalize(), written])
    await written
  } catch (error) {
    archive.abort()
    archive.destroy()
    sink.destroy()
    await Promise.allSettled([written])
    throw error
  }
}
