import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, expect, test } from '@jest/globals'

import { directories } from '../../src/config/directories.js'
import { Settings } from '../../src/config/settings.js'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-directories-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

function open(given: {
  readonly flags?: Readonly<Record<string, readonly string[]>>
  readonly environment?: Readonly<Record<string, string>>
  readonly home?: string
  readonly systemTemp?: string
}) {
  const { flags = {}, environment = {}, home = null, systemTemp = folder } = given
  const settings = new Settings({ flags: new Map(Object.entries(flags)), environment, file: null })
  return directories({ settings, environment, home, systemTemp })
}

test('lie below the home, for this user alone', async () => {
  const found = open({ home: folder })
  expect(await found.state()).toBe(path.join(folder, '.local', 'state', 'chroma-ops'))
  expect(await found.cache()).toBe(path.join(folder, '.cache', 'chroma-ops'))
  expect((await stat(path.join(folder, '.local', 'state', 'chroma-ops'))).mode & 0o777).toBe(0o700)
})

test('the XDG variables are stronger than the home, unless they are relative', async () => {
  const state = path.join(folder, 'xdg')
  expect(await open({ home: folder, environment: { XDG_STATE_HOME: state } }).state()).toBe(
    path.join(state, 'chroma-ops'),
  )
  expect(await open({ environment: { XDG_STATE_HOME: 'relative' } }).state()).toBeNull()
})

test('without a home there is none, and that is no error', async () => {
  const found = open({})
  expect([await found.state(), await found.cache(), await found.temp()]).toEqual([null, null, folder])
})

test('a home that cannot be written to counts as none', async () => {
  const file = path.join(folder, 'file')
  await writeFile(file, '')
  expect(await open({ home: file }).state()).toBeNull()
  expect(await open({ systemTemp: path.join(file, 'tmp') }).temp()).toBeNull()
})

test('one that was named and cannot be used is an error that names its flag', async () => {
  const file = path.join(folder, 'file')
  await writeFile(file, '')
  await expect(open({ flags: { '--state-dir': [file] } }).state()).rejects.toThrow(
    expect.objectContaining({
      message: expect.stringContaining('--state-dir: cannot write to'),
      exitCode: 2,
    }),
  )
})
