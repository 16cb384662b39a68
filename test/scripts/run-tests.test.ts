import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, expect, test } from '@jest/globals'

const repository = path.resolve(import.meta.dirname, '../..')
const script = path.join(repository, 'scripts', 'run-tests.mjs')
let project: string

beforeEach(async () => {
  project = await mkdtemp(path.join(tmpdir(), 'chroma-ops-run-tests-test-'))
  const reporter = path.join(repository, 'test', 'helpers', 'totals-reporter.js')
  const config = { maxWorkers: 2, transform: {}, haste: { enableSymlinks: false }, reporters: [reporter] }
  await writeFile(
    path.join(project, 'jest.config.cjs'),
    `module.exports = ${JSON.stringify({ ...config, cacheDirectory: path.join(project, 'cache') })}`,
  )
  await mkdir(path.join(project, 'test'))
})

afterEach(() => rm(project, { recursive: true }))

async function write(tests: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(tests))
    await writeFile(path.join(project, 'test', `${name}.test.js`), text)
}

interface Run {
  readonly exitCode: number
  readonly lines: readonly string[]
}

function run(environment: Readonly<Record<string, string>> = {}, ...args: readonly string[]): Promise<Run> {
  const options = { cwd: project, env: { PATH: process.env['PATH'], ...environment }, timeout: 55_000 }
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [script, ...args], options, (_error, stdout) => {
      // What Jest itself says of a part without files is left out.
      const lines = stdout.trimEnd().split('\n')
      resolve({ exitCode: child.exitCode ?? -1, lines: lines.filter((line) => !line.startsWith('No tests')) })
    })
  })
}

const PASSES = "test('passes', () => {}); test.skip('is left out', () => {})"
const FAILS = "test('fails', () => { throw new Error('wrong') }); test('passes', () => {})"

test('the whole suite runs in parts, and the totals are those of all of them', async () => {
  await write({ one: PASSES, two: PASSES, three: PASSES, four: PASSES, five: PASSES })
  expect(await run()).toEqual({ exitCode: 0, lines: ['5 passed, 0 failed, 5 skipped'] })
})

test('what fails is named, at the end, and fails the run; what cannot be loaded counts as one', async () => {
  await write({ one: PASSES, two: FAILS, three: PASSES, four: 'no javascript' })
  const { exitCode, lines } = await run()
  expect(exitCode).toBe(1)
  expect(lines.slice(0, -1).sort()).toEqual(['failed: test/four.test.js', 'failed: test/two.test.js'])
  expect(lines.at(-1)).toBe('3 passed, 2 failed, 2 skipped')
})

test('arguments go to one run', async () => {
  await write({ one: PASSES, two: FAILS })
  expect(await run({}, 'test/one')).toEqual({ exitCode: 0, lines: ['1 passed, 0 failed, 1 skipped'] })
  expect(await run({}, 'two')).toMatchObject({ exitCode: 1, lines: ['1 passed, 1 failed, 0 skipped'] })
})

test('a file that hangs is stopped with what it has started, and named; the other parts go on', async () => {
  const pid = path.join(project, 'pid')
  await write({
    hangs: `test('hangs', () => {
      const child = require('child_process').spawn('sleep', ['600'], { stdio: 'ignore' })
      require('fs').writeFileSync(${JSON.stringify(pid)}, String(child.pid))
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })`,
    one: PASSES,
    two: PASSES,
    three: PASSES,
    four: PASSES,
    five: PASSES,
    six: PASSES,
  })
  const { exitCode, lines } = await run({ CHROMA_OPS_TEST_FILE_MINUTES: '0.15' })
  expect(exitCode).toBe(1)
  expect(lines.join('\n')).toMatch(
    /^failed: part \d of 6: stopped: test\/hangs\.test\.js .*\nfailed: test\/hangs\.test\.js: was still running/,
  )
  expect(lines.at(-1)).toBe('6 passed, 1 failed, 6 skipped')
  const sleeper = Number(await readFile(pid, 'utf8'))
  expect(() => process.kill(sleeper, 0)).toThrow('ESRCH')
})

test('after the time for all of them no part is begun any more', async () => {
  await write({ one: PASSES })
  const { exitCode, lines } = await run({ CHROMA_OPS_TEST_RUN_MINUTES: '0' })
  expect(exitCode).toBe(1)
  expect(lines[0]).toContain('failed: part 1 of 6: not begun')
  expect(lines.at(-1)).toBe('0 passed, 6 failed, 0 skipped')
})
