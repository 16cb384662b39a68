import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, expect, test } from '@jest/globals'

import { runNow } from '../helpers/run-now.js'

const script = path.resolve(import.meta.dirname, '../../scripts/check-engines.mjs')
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-engines-'))
  await writeJson('package.json', { name: 'own', engines: { node: '>=20.19' } })
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('packages that accept this Node and the oldest promised one pass', async () => {
  await install({ fine: '>=18', silent: undefined })
  expect(check()).toMatchObject({ status: 0, stderr: '' })
})

test('a package that refuses the Node in use is named', async () => {
  await install({ fine: '>=18', future: '>=99' })
  const { status, stderr } = check()
  expect(status).toBe(1)
  expect(stderr).toContain(
    `future 1.0.0 (node_modules/future) wants Node >=99, which leaves out ${process.version}`,
  )
  expect(stderr).not.toContain('fine')
})

test('a package that refuses the oldest Node that we promise is named, whatever Node is in use', async () => {
  await install({ late: '>=20.19.1' })
  expect(check()).toMatchObject({ status: 1, stderr: expect.stringContaining('which leaves out 20.19.0') })
})

test('a package for another platform, in the lock file but not installed, is no matter', async () => {
  await writeJson('package-lock.json', { packages: { '': {}, 'node_modules/elsewhere': {} } })
  expect(check()).toMatchObject({ status: 0 })
})

function check() {
  return runNow(process.execPath, [script, folder])
}

async function install(ranges: Record<string, string | undefined>): Promise<void> {
  const packages: Record<string, object> = { '': {} }
  for (const [name, node] of Object.entries(ranges)) {
    packages[`node_modules/${name}`] = {}
    await mkdir(path.join(folder, 'node_modules', name), { recursive: true })
    await writeJson(`node_modules/${name}/package.json`, { name, version: '1.0.0', engines: { node } })
  }
  await writeJson('package-lock.json', { packages })
}

async function writeJson(file: string, value: object): Promise<void> {
  await writeFile(path.join(folder, file), JSON.stringify(value))
}
