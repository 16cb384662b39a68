import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { expect, test } from '@jest/globals'

import { explainedRefusal } from '../../src/commands/system-errors.js'
import { makeDirectory } from '../helpers/data-directories.js'
import { documentOf, runCli } from '../helpers/run-cli.js'

test('a full disk is no bug of ours', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-refused-'))
  try {
    const data = path.join(folder, 'data')
    await makeDirectory(data, { records: 5, saved: true })
    const result = await runCli(['rescue', '--path', data, '--dry-run', '--report', '/dev/full', '--json'])
    expect(result.exitCode).toBe(1)
    expect(documentOf(result)).toMatchObject({
      error: { code: 'DISK_FULL', message: 'cannot write: no space left' },
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test.each([
  ['EACCES', 14, 'PERMISSION_DENIED', 'cannot list /data: permission denied'],
  ['EROFS', 14, 'FILE_SYSTEM_READ_ONLY', 'cannot list /data: the file system is read-only'],
  ['EIO', 1, 'DISK_FAILS', 'cannot list /data: the disk fails'],
])('%s ends with %d %s', (code, exitCode, ours, message) => {
  const refused = Object.assign(new Error('no'), { code, syscall: 'scandir', path: '/data' })
  expect(explainedRefusal(refused)).toMatchObject({ exitCode, code: ours, message, cause: refused })
})

test('a port that may not be listened on asks for another one', () => {
  const refused = Object.assign(new Error('no'), { code: 'EACCES', syscall: 'listen', port: 80 })
  expect(explainedRefusal(refused)).toMatchObject({
    message: 'cannot listen on port 80: permission denied',
    hint: 'name another port: those below 1024 need more rights',
  })
})

test('what the system did not refuse stays a bug', () => {
  const missing = Object.assign(new Error('no'), { code: 'ENOENT', syscall: 'open', path: '/data' })
  const unlike = Object.assign(new Error('no'), { code: 'EACCES' })
  for (const error of [missing, unlike]) expect(explainedRefusal(error)).toBe(error)
})
