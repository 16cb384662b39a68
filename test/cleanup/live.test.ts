import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'

import { expect, test } from '@jest/globals'

import { applyCleanup, planOf } from '../../src/cleanup/apply.js'
import { startChroma } from '../helpers/chroma-server.js'
import { stateOf } from '../helpers/directory-state.js'
import { makeLitteredDirectory } from '../helpers/littered-directory.js'
import { cleanupJob } from './jobs.js'
import { cleanUnderLoad } from './under-load.js'

const root = path.resolve(import.meta.dirname, '../..')

test('cleaning while a server is written to loses nothing', async () => {
  const server = await startChroma()
  try {
    for (let time = 0; time < 2; time++) await cleanUnderLoad(server, 4)
  } finally {
    await server.stop()
  }
}, 300_000)

test('while a server runs, what needs it stopped is refused before anything is done', async () => {
  const littered = await makeLitteredDirectory()
  const server = await startChroma({ directory: littered.path })
  try {
    const plan = await planOf(cleanupJob(littered.path))
    expect(plan.holder).toContain(`process ${server.pid}`)
    const before = await stateOf(littered.path)
    await expect(applyCleanup(cleanupJob(littered.path))).rejects.toMatchObject({
      code: 'DIRECTORY_HELD',
      exitCode: 11,
    })
    expect(await stateOf(littered.path)).toEqual(before)
    const { errors } = await applyCleanup(cleanupJob(littered.path, { targets: ['orphans', 'wal'] }))
    expect(errors).toEqual([])
  } finally {
    await server.halt()
    await littered.dispose()
  }
})

test('of two runs at once one works, the other is refused, and all is done once', async () => {
  const littered = await makeLitteredDirectory()
  try {
    const job = cleanupJob(littered.path, { targets: ['orphans'] })
    const outcomes = await Promise.allSettled([
      applyCleanup(job),
      applyCleanup(job),
      inAnotherProcess(littered.path),
    ])
    const done = outcomes.filter(({ status }) => status === 'fulfilled')
    expect(done.length).toBeGreaterThan(0)
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(String(outcome.reason)).toMatch(/is locked by another run/)
    expect((await planOf(job)).steps).toEqual([])
  } finally {
    await littered.dispose()
  }
})

async function inAnotherProcess(directory: string): Promise<void> {
  const script = `import { applyCleanup } from './src/cleanup/apply.ts'
    import { cleanupJob } from './test/cleanup/jobs.ts'
    await applyCleanup(cleanupJob(${JSON.stringify(directory)}, { targets: ['orphans'] }))`
  const words = ['--import', './test/helpers/run-typescript.js', '--input-type=module', '-e', script]
  const child = spawn(process.execPath, words, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (piece: Buffer) => (said += piece.toString()))
  await once(child, 'close')
  if (child.exitCode !== 0) throw new Error(said)
}
