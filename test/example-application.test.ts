import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, expect, test } from '@jest/globals'

import { builtCli } from './helpers/built-cli.js'
import { chromaForSuite } from './helpers/chroma-server.js'

const chroma = chromaForSuite()
let folder: string
let application: ChildProcess | undefined

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-application-'))
  // The example imports the package by its name, as an application does.
  await mkdir(path.join(folder, 'node_modules'))
  const build = path.dirname(path.dirname(await builtCli()))
  await symlink(build, path.join(folder, 'node_modules', 'chroma-ops'))
  await cp(
    path.resolve(import.meta.dirname, '../examples/application.mjs'),
    path.join(folder, 'application.mjs'),
  )
})

afterEach(async () => {
  if (application?.exitCode === null) application.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

test('the service answers, tells its health while the server is away, recovers, and ends on SIGTERM', async () => {
  const { child, output, firstLine } = await start(chroma().url)
  const url = firstLine.replace('listening on ', '').trim()
  for (const text of ['the roof leaks in the north corner', 'buy apples and pears'])
    expect((await fetch(`${url}/notes`, { method: 'POST', body: text })).status).toBe(201)
  const found: unknown = await (await fetch(`${url}/notes?like=leaking+roof`)).json()
  expect(found).toMatchObject([{ document: 'the roof leaks in the north corner' }, {}])
  expect(await healthStatus(url)).toBe(200)

  await chroma().kill()
  expect(await healthStatus(url)).toBe(503)
  await chroma().restart()
  expect(await healthStatus(url)).toBe(200)

  child.kill('SIGTERM')
  expect(await once(child, 'close')).toEqual([0, null])
  expect(output.stdout).toMatch(/closed\n$/)
  expect(output.stderr).toBe('')
})

test('without a server it says what to do and ends with the exit code of the command line', async () => {
  const { child, output } = await start('http://127.0.0.1:9')
  expect(await once(child, 'close')).toEqual([12, null])
  expect(output.stderr).toContain('127.0.0.1:9')
})

async function healthStatus(url: string): Promise<number> {
  return (await fetch(`${url}/health`)).status
}

/** Resolves at its first line, or at once when it says nothing. */
async function start(serverUrl: string) {
  const child = spawn(process.execPath, ['application.mjs', serverUrl], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  application = child
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data')])
  return { child, output, firstLine: output.stdout }
}
