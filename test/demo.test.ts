import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'

import { builtCli } from './helpers/built-cli.js'

const root = path.resolve(import.meta.dirname, '..')
let folder: string

jest.setTimeout(180_000)

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-test-demo-'))
  await mkdir(path.join(folder, 'temp'))
  await cp(path.join(root, 'examples'), path.join(folder, 'examples'), { recursive: true })
  const build = path.dirname(path.dirname(await builtCli()))
  await symlink(path.join(build, 'dist'), path.join(folder, 'dist'))
  await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

test('the demonstration ends well, and leaves nothing behind', async () => {
  await useCli('')
  const { exitCode, stdout } = await demonstrate()
  expect(exitCode).toBe(0)
  expect(stdout).toContain('884 of 884 records are equal to those before the loss')
  expect(stdout).toContain('heisenbug')
  expect(await readdir(path.join(folder, 'temp'))).toEqual([])
})

test('it fails when one record did not come back, even if chroma-ops were to say that all is well', async () => {
  await useCli(`
    if (args[0] === 'backup' && args[1] === 'verify') process.exit(0)
    if (args[0] === 'restore') process.on('exit', () => {
      const collections = args.at(-1) + '/api/v2/tenants/default_tenant/databases/science/collections'
      const json = { method: 'POST', headers: { 'content-type': 'application/json' } }
      const program = \`const { id } = await (await fetch('\${collections}/elements')).json()
        await fetch('\${collections}/' + id + '/delete', { ...\${JSON.stringify(json)}, body: '{"ids":["element/001"]}' })\`
      execFileSync(process.execPath, ['--input-type=module', '-e', program])
    })`)
  const { exitCode, stderr } = await demonstrate()
  expect(exitCode).toBe(1)
  expect(stderr).toContain('not equal: number of records in elements')
  expect(await readdir(path.join(folder, 'temp'))).toEqual([])
})

/** The command line, with `before` run first. */
async function useCli(before: string): Promise<void> {
  const launcher = path.join(folder, 'bin', 'chroma-ops.js')
  await mkdir(path.dirname(launcher), { recursive: true })
  await writeFile(path.join(folder, 'bin', 'package.json'), '{"type":"module"}')
  await writeFile(
    launcher,
    `import { execFileSync } from 'node:child_process'
    const args = process.argv.slice(2)
    ${before}
    await import(${JSON.stringify(pathToFileURL(await builtCli()).href)})`,
  )
}

async function demonstrate() {
  const child = spawn(process.execPath, [path.join(folder, 'examples', 'demo.mjs')], {
    env: { ...process.env, TMPDIR: path.join(folder, 'temp') },
  })
  const text = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (text.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (text.stderr += chunk.toString()))
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve)
  })
  return { exitCode, ...text }
}
