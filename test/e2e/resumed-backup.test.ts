import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { expect, test } from '@jest/globals'

import { createBackup } from '../../src/backup/create-backup.js'
import { verifyBackup } from '../../src/backup/verify-backup.js'
import { silentProgress } from '../../src/core/progress.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { jobOf, newRepository } from '../helpers/backups.js'
import { sizeableSource } from '../helpers/sizeable-source.js'
import { waitUntil } from '../helpers/wait-until.js'

const RATE = 8_000_000

function start(directory: string) {
  const helpers = path.join(process.cwd(), 'test', 'helpers')
  return spawn(
    process.execPath,
    [
      '--no-warnings',
      '--import',
      path.join(helpers, 'run-typescript.js'),
      path.join(helpers, 'backup-process.ts'),
      directory,
      String(RATE),
    ],
    { env: { PATH: process.env['PATH'] }, stdio: ['ignore', 'inherit', 'inherit'] },
  )
}

/** Bytes of whole objects. */
async function storedIn(directory: string): Promise<number> {
  let bytes = 0
  const objects = path.join(directory, 'objects')
  for (const owner of await readdir(objects).catch(() => []))
    for (const name of await readdir(path.join(objects, owner)))
      if (!name.includes('~'))
        bytes += (await stat(path.join(objects, owner, name)).catch(() => null))?.size ?? 0
  return bytes
}

async function killAt(directory: string, bytes: number): Promise<number> {
  const child = start(directory)
  const ended = once(child, 'exit')
  const isOver = () => child.exitCode !== null || child.signalCode !== null
  await waitUntil(`${bytes} bytes are stored`, async () => isOver() || (await storedIn(directory)) >= bytes)
  child.kill('SIGKILL')
  await ended
  expect(child.signalCode).toBe('SIGKILL')
  return storedIn(directory)
}

test('a backup that is killed at half, and again, is gone on from: at most 55 % is sent again', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-killed-backup-'))
  try {
    const whole = await createBackup(
      jobOf(await newRepository(new LocalStore(path.join(folder, 'whole'))), sizeableSource()),
    )
    const total = whole.head.sizes.added
    const directory = path.join(folder, 'killed')
    const repository = await newRepository(new LocalStore(directory))
    await killAt(directory, total * 0.25)
    const stored = await killAt(directory, total * 0.5)
    const now = () => new Date()
    const { head, resumed, collections } = await createBackup(jobOf(repository, sizeableSource(), { now }))
    const sent = (await storedIn(directory)) - stored
    expect(resumed?.runs).toHaveLength(2)
    expect(sent).toBe(head.sizes.added - (resumed?.bytes ?? 0))
    expect(sent / total).toBeLessThanOrEqual(0.55)
    expect(collections.map(({ digest }) => digest)).toEqual(whole.collections.map(({ digest }) => digest))
    const report = await verifyBackup({ repository, head, depth: 'records', progress: silentProgress })
    expect(report.problems).toEqual([])
    expect(await readdir(path.join(directory, 'sessions'))).toEqual([])
  } finally {
    await rm(folder, { recursive: true })
  }
}, 120_000)
