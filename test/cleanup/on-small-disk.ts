// What a test does on a disk of its own, in a process that sees that disk under its plain name:
//   node --import ./test/helpers/run-typescript.js on-small-disk.ts <scenario> <data directory> <other folder>
// Writes one JSON document.
import { createHash } from 'node:crypto'
import { statfsSync } from 'node:fs'
import { open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { applyCleanup, planOf } from '../../src/cleanup/apply.js'
import { isHalfOverwritten } from '../../src/cleanup/overwrite-database.js'
import { undoCleanup } from '../../src/cleanup/undo.js'
import { openDatabase } from '../../src/datadir/sqlite.js'
import { asError, OpsError } from '../../src/core/errors.js'
import { stateOf, withDatabase, withoutRowNumbers } from '../helpers/directory-state.js'
import { cleanupJob, undoJob } from './jobs.js'

const [scenario = '', directory = '', other = ''] = process.argv.slice(2)
const file = path.join(directory, 'chroma.sqlite3')
const MB = 1 << 20
const VACUUM = { targets: ['vacuum'] } as const

/** Leaves so many bytes free, at most. */
async function leave(bytes: number): Promise<void> {
  const { bavail, bsize } = statfsSync(directory)
  await writeFile(
    path.join(path.dirname(directory), 'ballast'),
    Buffer.alloc(Math.max(bavail * bsize - bytes, 0), 1),
  )
}

async function vacuumed(via: string | null) {
  const before = withoutRowNumbers(await stateOf(directory))
  const inode = (await stat(file)).ino
  const { errors, freedBytes } = await applyCleanup(cleanupJob(directory, { ...VACUUM, via }))
  const after = withoutRowNumbers(await stateOf(directory))
  return {
    errors,
    freedBytes,
    replaced: (await stat(file)).ino !== inode,
    same: JSON.stringify([...before]) === JSON.stringify([...after]),
    left: (await readdir(other)).filter((name) => name.startsWith('chroma-ops-')),
  }
}

/** What a run that is killed while it overwrites leaves: the note is there, the pages are not all. */
async function beginOverwriting(copy: string): Promise<void> {
  const bytes = await readFile(copy)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const first = Buffer.alloc(4096)
  first.write(
    `chroma-ops is overwriting this database\n${JSON.stringify({ copy, bytes: bytes.length, sha256 })}`,
  )
  const handle = await open(file, 'r+')
  await handle.write(first, 0, 4096, 0)
  await handle.write(bytes, 4096, 20_000, 4096)
  await handle.close()
}

const scenarios: Readonly<Record<string, () => Promise<object>>> = {
  'in place': () => vacuumed(null),
  async 'in place, no room'() {
    await leave(2 * MB)
    const { steps } = await planOf(cleanupJob(directory, VACUUM))
    return { fits: steps.map(({ fits }) => fits), ...(await vacuumed(null)) }
  },
  async 'via, room for both'() {
    await leave(3 * MB)
    return vacuumed(other)
  },
  async 'via, 0 bytes free'() {
    await leave(0)
    return vacuumed(other)
  },
  'via the same file system': () => vacuumed(path.dirname(directory)),
  async 'killed while overwriting'() {
    const before = withoutRowNumbers(await stateOf(directory))
    const copy = path.join(other, 'chroma-ops-copy')
    await withDatabase(directory, (database) => {
      database.run('VACUUM INTO ?', copy)
    })
    await beginOverwriting(copy)
    const half = await isHalfOverwritten(file)
    const opened = await openDatabase(file, { mode: 'read' }).then(
      () => 'opened',
      (error: unknown) => codeOf(error),
    )
    const planned = await planOf(cleanupJob(directory)).then(
      () => 'planned',
      (error: unknown) => codeOf(error),
    )
    const { errors } = await applyCleanup(cleanupJob(directory, { targets: ['wal'] }))
    const after = withoutRowNumbers(await stateOf(directory))
    const same = JSON.stringify([...before]) === JSON.stringify([...after])
    return {
      half,
      opened,
      planned,
      errors,
      same,
      left: (await readdir(other)).filter((name) => name.startsWith('chroma-ops-')),
    }
  },
  async 'orphans, 0 bytes free, quarantine here'() {
    await leave(0)
    const before = JSON.stringify([...(await stateOf(directory))])
    const failed = await applyCleanup(cleanupJob(directory, { targets: ['orphans'] })).then(
      ({ errors }) => errors,
      (error: unknown) => codeOf(error),
    )
    return { failed, same: before === JSON.stringify([...(await stateOf(directory))]) }
  },
  async 'orphans, 0 bytes free, quarantine elsewhere'() {
    const before = JSON.stringify([...(await stateOf(directory))])
    await leave(0)
    const quarantine = path.join(other, 'quarantine')
    const { errors, freedBytes, removed } = await applyCleanup(
      cleanupJob(directory, { targets: ['orphans'], quarantine }),
    )
    await rm(path.join(path.dirname(directory), 'ballast'))
    const undone = await undoCleanup(undoJob(directory, { quarantine }))
    const same = before === JSON.stringify([...(await stateOf(directory))])
    return { errors, freedBytes, removed, undone: undone.errors, same }
  },
  async 'orphans, 0 bytes free, no quarantine'() {
    await leave(0)
    const { errors, freedBytes } = await applyCleanup(
      cleanupJob(directory, { targets: ['orphans'], quarantine: null }),
    )
    return { errors, freedBytes }
  },
  async 'read-only'() {
    const plan = await planOf(cleanupJob(directory))
    const failed = await applyCleanup(cleanupJob(directory)).then(
      () => 'done',
      (error: unknown) => codeOf(error),
    )
    return { steps: plan.steps.length, failed }
  },
}

function codeOf(error: unknown): string {
  return error instanceof OpsError ? error.code : (asError(error).stack ?? '')
}

const run = scenarios[scenario]
if (run === undefined) throw new Error(`there is no scenario "${scenario}"`)
process.stdout.write(JSON.stringify(await run()))
