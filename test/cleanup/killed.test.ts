import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { listQuarantine } from '../../src/cleanup/quarantine.js'
import { defaultQuarantine } from '../../src/cleanup/run-record.js'
import { undoCleanup } from '../../src/cleanup/undo.js'
import { stateOf, withDatabase } from '../helpers/directory-state.js'
import { makeLitteredDirectory, type LitteredDirectory } from '../helpers/littered-directory.js'
import { undoJob } from './jobs.js'

const root = path.resolve(import.meta.dirname, '../..')
const TIMES = Number(process.env['CHROMA_OPS_TEST_CLEANUP_KILLS'] ?? 2)

let littered: LitteredDirectory
beforeAll(async () => {
  littered = await makeLitteredDirectory()
  await withDatabase(littered.path, (database) => {
    database.exec(`
      WITH RECURSIVE n(i) AS (SELECT 100001 UNION ALL SELECT i + 1 FROM n WHERE i < 120000)
        INSERT INTO embedding_metadata (id, key, string_value) SELECT i, 'k', 'left over' FROM n;
      INSERT INTO embeddings (id, segment_id, embedding_id, seq_id)
        SELECT id, 'gone', 'id-' || id, id FROM embedding_metadata WHERE id > 110000;`)
  })
})
afterAll(() => littered.dispose())

test('a cleanup, and an undo, killed at any moment: each row and directory is in one place, and comes back', async () => {
  for (let time = 0; time < TIMES; time++) {
    const directory = await littered.copy()
    const before = await stateOf(directory)
    const job = `cleanupJob(${JSON.stringify(directory)}, { targets: ['orphans'] })`
    await killed(`await applyCleanup(${job})`, 100 + Math.random() * 700)
    const after = JSON.stringify([...(await stateOf(directory))])
    const [run] = await listQuarantine(defaultQuarantine(directory))
    // It had not begun.
    if (run === undefined) {
      expect(after).toBe(JSON.stringify([...before]))
      continue
    }
    await killed(`await undoCleanup(undoJob(${JSON.stringify(directory)}))`, Math.random() * 400)
    if ((await listQuarantine(defaultQuarantine(directory))).some(({ state }) => state !== 'undone'))
      expect((await undoCleanup(undoJob(directory))).errors).toEqual([])
    expect(await stateOf(directory)).toEqual(before)
  }
}, 120_000)

/** Runs it in a process that is killed so many milliseconds after it has begun, unless it ends before. */
async function killed(work: string, afterMs: number): Promise<void> {
  const script = `import { applyCleanup } from './src/cleanup/apply.ts'
    import { undoCleanup } from './src/cleanup/undo.ts'
    import { cleanupJob, undoJob } from './test/cleanup/jobs.ts'
    console.log('begin', typeof applyCleanup, typeof undoCleanup, typeof cleanupJob, typeof undoJob)
    ${work}`
  const words = ['--import', './test/helpers/run-typescript.js', '--input-type=module', '-e', script]
  const child = spawn(process.execPath, words, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  await once(child.stdout, 'data')
  await Promise.race([sleep(afterMs), ended])
  child.kill('SIGKILL')
  await ended
}
