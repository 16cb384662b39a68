import { startEmbeddedServer } from '../../chroma/embedded-server.js'
import { OpsError, throwIfAborted } from '../../core/errors.js'
import type { Progress } from '../../core/progress.js'
import { compareViews, type OfflineView } from './compare-views.js'
import type { Rehearsal } from './directory-report.js'
import { makePrivateCopy } from './private-copy.js'

/**
 * Starts a server of the installed chromadb package on a private copy of the directory, which migrates the
 * copy, and reads everything back. The directory itself is only read.
 */
export async function rehearseUpgrade(job: {
  readonly directory: string
  readonly offline: OfflineView
  readonly tempDir: string
  readonly cacheDir: string
  readonly progress: Progress
  readonly signal: AbortSignal | undefined
}): Promise<Rehearsal> {
  const { directory, tempDir, cacheDir, offline, progress, signal } = job
  const started = performance.now()
  const copy = await makePrivateCopy({ directory, tempDir, signal })
  const rehearsal = (found: Pick<Rehearsal, 'differences' | 'failure'>): Rehearsal => ({
    durationMs: Math.round(performance.now() - started),
    copiedBytes: copy.bytes,
    collections: offline.collections.length,
    ...found,
  })
  try {
    const server = await startEmbeddedServer({
      directory: copy.directory,
      cacheDir,
      ...(signal && { signal }),
    })
    try {
      const { differences } = await compareViews({
        server: { url: server.url },
        offline,
        level: 'deep',
        progress,
        signal,
      })
      return rehearsal({ differences, failure: null })
    } finally {
      // Nobody needs its copy, so it need not be given time to write it.
      process.kill(server.pid, 'SIGKILL')
      await server.stop()
    }
  } catch (error) {
    throwIfAborted(signal)
    if (!(error instanceof OpsError)) throw error
    const { message, hint } = error
    return rehearsal({
      differences: [],
      failure: [message, hint].filter((text) => text !== undefined).join('; '),
    })
  } finally {
    await copy.remove()
  }
}
