import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'

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
  const broken = new Promise<never>((_, reject) => {
    archive.on('error', reject)
  })
  // Waited for below, as soon as there is something to wait for.
  broken.catch(() => undefined)
  const written = finished(sink, { readable: false })
  written.catch(() => undefined)
  archive.pipe(sink)
  try {
    for await (const { name, bytes } of entries) {
      throwIfAborted(signal)
      const added = once(archive, 'entry')
      added.catch(() => undefined)
      archive.append(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), { name, ...SAME })
      await Promise.race([added, written, broken])
    }
    await Promise.race([archive.finalize(), written, broken])
    await Promise.race([written, broken])
  } catch (error) {
    // The archive is left to itself: destroyed or aborted, it would throw what it is about to take up where nobody
    // catches it. It holds nothing but memory.
    archive.unpipe(sink)
    sink.destroy()
    await Promise.allSettled([written])
    throw error
  }
}
