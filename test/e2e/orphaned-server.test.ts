import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { expect, test } from '@jest/globals'

test('a server process that can never be started, because its folder is gone, ends by itself', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-orphan-'))
  const data = path.join(folder, 'data')
  await mkdir(data)
  const launcher = await readFile(path.resolve(import.meta.dirname, '../../bin/embedded-server.js'), 'utf8')
  const impatient = launcher.replace('LONGEST_START_MS = 60_000', 'LONGEST_START_MS = 500')
  expect(impatient).not.toBe(launcher)
  await writeFile(path.join(folder, 'launcher.mjs'), impatient)
  const child = spawn(process.execPath, [path.join(folder, 'launcher.mjs'), 'none.node', data, 'run'], {
    cwd: data,
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()))
  const ended = new Promise((resolve) => child.once('close', (_, signal) => resolve(signal)))
  await new Promise((resolve) => child.once('spawn', resolve))
  await rm(data, { recursive: true })
  // Its parent is there and says nothing, and the thread that would notice its end could not start.
  expect(await ended).toBe('SIGKILL')
  expect(stderr).toContain('nobody started the server')
  await rm(folder, { recursive: true })
})
