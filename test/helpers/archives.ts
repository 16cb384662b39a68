import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { Writable } from 'node:stream'

import { pack, type Header } from 'tar-stream'

import { openArchive, type OpenedArchive } from '../../src/backup/archive/open-archive.js'
import { exportArchive, type ExportArchiveJob } from '../../src/backup/archive/export-archive.js'
import { silentProgress } from '../../src/core/progress.js'

/** Keeps the bytes of a stream. */
export class ByteSink extends Writable {
  readonly pieces: Buffer[] = []

  override _write(piece: Buffer, _encoding: string, done: () => void): void {
    this.pieces.push(Buffer.from(piece))
    done()
  }

  bytes(): Buffer {
    return Buffer.concat(this.pieces)
  }
}

export async function archiveBytes(
  job: Pick<ExportArchiveJob, 'repository' | 'head'> & Partial<ExportArchiveJob>,
): Promise<Buffer> {
  const sink = new ByteSink()
  await exportArchive({ recipients: [], progress: silentProgress, ...job }, sink)
  return sink.bytes()
}

export async function* piecesOf(bytes: Buffer, size = 10_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

export function openBytes(
  bytes: Buffer,
  tempDir: string,
  identities: readonly string[] = [],
): Promise<OpenedArchive> {
  return openArchive({ from: piecesOf(bytes), identities, tempDir: async () => tempDir })
}

export async function openFile(bytes: Buffer, file: string): Promise<OpenedArchive> {
  await writeFile(file, bytes)
  return openArchive({ from: file, identities: [], tempDir: () => Promise.reject(new Error('not needed')) })
}

/** A tar archive made by somebody else. */
export async function tarOf(
  files: readonly (Partial<Header> & { readonly name: string; readonly text?: string | Buffer })[],
): Promise<Buffer> {
  const tar = pack()
  const sink = new ByteSink()
  tar.pipe(sink)
  for (const { text = '', ...header } of files) tar.entry(header, text)
  tar.finalize()
  await once(sink, 'finish')
  return sink.bytes()
}
