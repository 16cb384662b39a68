import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { startCli } from '../helpers/cli-process.js'
import { makeDirectory, treeOf } from '../helpers/data-directories.js'
import { runJson } from '../helpers/outcomes.js'

/** `npm run test:soak` dies at every step. */
const STRIDE = Number(process.env['CHROMA_OPS_TEST_STRIDE'] ?? 4)
const dieAtStep = fileURLToPath(new URL('../helpers/die-at-step.js', import.meta.url))

let folder: string
let repo: string
let target: string
let original: string
let wanted: Record<string, string>
let before: Record<string, string>

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-swap-'))
  repo = path.join(folder, 'repository')
  target = path.join(folder, 'target')
  original = path.join(folder, 'original')
  const source = path.join(folder, 'source')
  await makeDirectory(source, { records: 30, saved: true })
  await makeDirectory(original, { records: 12, saved: true })
  await runJson(['backup', '--path', source, '--repo', repo, '--init', '--series', 'main'])
  wanted = await treeOf(source)
  before = await treeOf(original)
}, 60_000)

afterAll(() => rm(folder, { recursive: true }))

test(`a restore killed at each ${STRIDE}th step of its swap holds the old contents or the new ones`, async () => {
  const total = await stepsOf()
  expect(total).toBeGreaterThan(15)
  const outcomes = new Set<string>()
  for (let at = 1; at <= total; at += STRIDE) {
    await reset()
    const killed = await restore({ DIE_AT: String(at) })
    expect({ at, signal: killed.signal }).toEqual({ at, signal: 'SIGKILL' })
    const left = await treeOf(target)
    // Until a later run finishes the swap, there is no database that a server could take for the whole.
    if (!isSame(left, before) && !isSame(left, wanted)) expect(left['chroma.sqlite3']).toBeUndefined()
    outcomes.add(isSame(left, before) ? 'old' : isSame(left, wanted) ? 'new' : 'between')
    const again = await restore()
    expect({ at, again: again.exitCode, stderr: again.stderr }).toMatchObject({ at, again: 0 })
    expect(await treeOf(target)).toEqual(wanted)
    await expectOldKept()
    expect(await readdir(path.join(target, '.chroma-ops'))).not.toContain('journal.json')
  }
  expect(outcomes.size).toBeGreaterThan(1)
}, 600_000)

async function stepsOf(): Promise<number> {
  await reset()
  const count = path.join(folder, 'steps')
  const { exitCode, stderr } = await restore({ DIE_COUNT: count })
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 })
  return Number(await readFile(count, 'utf8'))
}

async function reset(): Promise<void> {
  await rm(target, { recursive: true, force: true })
  await mkdir(target)
  await cp(original, target, { recursive: true })
}

/** In a process of its own, also where none is to die: a database may stay open until memory is collected. */
async function restore(environment: Record<string, string> = {}) {
  const args = [
    'restore',
    'latest',
    '--repo',
    repo,
    '--path',
    target,
    '--mode',
    'replace',
    '--server-stopped',
  ]
  const process = await startCli(args, {
    environment: {
      NODE_OPTIONS: `--import ${dieAtStep}`,
      DIE_BELOW: target,
      DIE_FROM: 'journal.json',
      ...environment,
    },
  })
  return process.ended
}

/** Of the first run whose swap came far enough; a repeated run may have replaced the new by the new. */
async function expectOldKept(): Promise<void> {
  const quarantine = path.join(target, '.chroma-ops', 'quarantine')
  const trees = []
  for (const run of await readdir(quarantine))
    trees.push(await treeOf(path.join(quarantine, run, 'replaced')))
  expect(trees).toContainEqual(before)
}

function isSame(a: Record<string, string>, b: Record<string, string>): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
