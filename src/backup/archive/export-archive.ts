import type { FileHandle } from 'node:fs/promises'
import { PassThrough, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { errnoOf } from '../../core/errors.js'
import type { Progress } from '../../core/progress.js'
import { BackupError } from '../errors.js'
import type { BackupHead } from '../manifest.js'
import type { Repository } from '../repository.js'
import { encryptFor } from './age.js'
import { archiveEntries, type ArchiveEntry } from './archive-entries.js'
import { writeNewFile } from './new-file.js'
import { writeTar } from './write-tar.js'

export interface ExportArchiveJob {
  readonly repository: Repository
  readonly head: BackupHead
  /** Encrypts the archive for these age recipients (`age1…`); empty: as the repository is. */
  readonly recipients: readonly string[]
  readonly progress: Progress
  readonly signal?: AbortSignal | undefined
}

export interface ArchiveWritten {
  /** Files in the archive, its checksums among them. */
  readonly entries: number
  /** Of the archive, in bytes. */
  readonly bytes: number
}

/**
 * Writes a tar archive with one backup: a repository by itself. See docs/format.md. Rejects with an
 * ObjectDamagedError (13) when something of the backup is damaged, with an error of the store, or with what the sink
 * fails with.
 */
export async function exportArchive(
  job: ExportArchiveJob,
  sink: NodeJS.WritableStream,
): Promise<ArchiveWritten> {
  const { recipients, signal } = job
  let [entries, bytes] = [0, 0]
  const counted = async function* (source: AsyncIterable<ArchiveEntry>): AsyncGenerator<ArchiveEntry> {
    for await (const entry of source) {
      entries++
      yield entry
    }
  }
  const measured = new PassThrough()
  measured.on('data', (piece: Buffer) => {
    bytes += piece.length
  })
  const files = counted(archiveEntries(job))
  if (recipients.length === 0) {
    const arrived = pipeline(measured, sink)
    await both(writeTar(files, measured, signal), arrived)
  } else {
    const plain = new PassThrough()
    const encrypted = await encryptFor(recipients, plain)
    const arrived = pipeline(encrypted, measured, sink)
    await both(writeTar(files, plain, signal), arrived)
  }
  return { entries, bytes }
}

/** {@link exportArchive} into a file, which appears when it is whole and durable. GuardError when it exists (15). */
export async function exportArchiveFile(
  job: ExportArchiveJob,
  file: string,
  replace: boolean,
): Promise<ArchiveWritten> {
  return writeNewFile(file, replace, (handle) => exportArchive(job, streamTo(handle)))
}

/** Leaves the handle open: it is still to be synchronised. (The handle's own stream keeps it from being closed.) */
function streamTo(handle: FileHandle): Writable {
  return new Writable({
    write(piece: Buffer, _encoding, done) {
      handle.appendFile(piece).then(() => done(), done)
    },
  })
}

/** When one end of a pipe fails, the other one only says that it was closed too early. */
async function both(...ends: readonly Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(ends)
  const reasons = outcomes.flatMap((end): unknown[] => (end.status === 'rejected' ? [end.reason] : []))
  if (reasons.length === 0) return
  const first = reasons.find((reason) => errnoOf(reason) !== 'ERR_STREAM_PREMATURE_CLOSE') ?? reasons[0]
  if (errnoOf(first) !== 'EPIPE') throw first
  throw new BackupError('whoever was to read the archive has closed the pipe', {
    hint: 'what it has got is not whole: write the archive again',
    cause: first,
  })
}
