import { copyFile, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { installedBinding, loadableBinding } from '../../src/chroma/binding.js'
import { planRelaxation, RelaxationRefused } from '../../src/chroma/glibc-relax.js'
import { testCacheDir } from '../helpers/chroma-server.js'

const onLinux = process.platform === 'linux' ? describe : describe.skip

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'chroma-ops-glibc-'))
})

afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

onLinux('what to change in the installed server', () => {
  test('is nothing for a newer glibc', async () => {
    expect(await planRelaxation(installedBinding(), 99)).toEqual([])
  })

  test('is a few bytes for glibc 2.36', async () => {
    const patches = await planRelaxation(installedBinding(), 36)
    expect(patches.length).toBeGreaterThan(0)
    expect(patches.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThan(100)
  })

  test('is refused by name where a function is missing', async () => {
    await expect(planRelaxation(installedBinding(), 17)).rejects.toThrow(/^it needs \w+ of GLIBC_2\.\d+$/)
  })
})

test('a file that is no shared library is refused', async () => {
  const file = path.join(directory, 'text')
  await writeFile(file, 'text'.repeat(100))
  await expect(planRelaxation(file, 36)).rejects.toBeInstanceOf(RelaxationRefused)
})

/** On a newer glibc there is nothing to adapt, and so no copy. */
const needsCopy = (await loadableBinding(installedBinding(), testCacheDir)) !== installedBinding()

;(needsCopy ? describe : describe.skip)('the copy in the cache', () => {
  test('is made once and made again when the source changes', async () => {
    const source = path.join(directory, 'source.node')
    const cache = path.join(directory, 'cache')
    await copyFile(installedBinding(), source)
    const first = await loadableBinding(source, cache)
    const { ino } = await stat(first)
    expect(await loadableBinding(source, cache)).toBe(first)
    expect((await stat(first)).ino).toBe(ino)
    await utimes(source, new Date(), new Date(0))
    const second = await loadableBinding(source, cache)
    expect(second).not.toBe(first)
    expect(await readdir(cache)).toEqual([path.basename(second)])
  })

  test('is whole when several make it at once', async () => {
    const copies = await Promise.all([1, 2, 3].map(() => loadableBinding(installedBinding(), directory)))
    expect(new Set(copies).size).toBe(1)
    const [{ size }, original] = await Promise.all([stat(copies[0] ?? ''), stat(installedBinding())])
    expect(size).toBe(original.size)
    expect((await readdir(directory)).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  test('that cannot be written is a clear error', async () => {
    const file = path.join(directory, 'file')
    await writeFile(file, '')
    await expect(loadableBinding(installedBinding(), path.join(file, 'cache'))).rejects.toMatchObject({
      code: 'EMBEDDED_SERVER_UNSUPPORTED',
      exitCode: 16,
      hint: expect.stringContaining('cache directory'),
    })
  })
})
