import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { BytePatterns } from '../../src/datadir/byte-patterns.js'
import { searchFiles } from '../../src/datadir/search-files.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-search-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('BytePatterns', () => {
  test('finds what indexOf finds, at every offset', () => {
    const few = fc.array(fc.constantFrom(0, 1, 255), { minLength: 4, maxLength: 20 })
    fc.assert(
      fc.property(
        fc.array(few, { maxLength: 8 }),
        fc.array(fc.constantFrom(0, 1, 255), { maxLength: 80 }),
        (texts, all) => {
          const patterns = texts.map((text) => Buffer.from(text))
          const bytes = Buffer.from(all)
          const found = new Set<string>()
          new BytePatterns(patterns).search(bytes, bytes.length, (pattern, at) =>
            found.add(`${pattern} ${at}`),
          )
          const expected = new Set<string>()
          for (const [index, pattern] of patterns.entries())
            for (let at = bytes.indexOf(pattern); at >= 0; at = bytes.indexOf(pattern, at + 1))
              expected.add(`${index} ${at}`)
          expect(found).toEqual(expected)
        },
      ),
    )
  })
})

describe('searchFiles', () => {
  test('finds patterns in files of folders, also across blocks and at both ends', async () => {
    const bytes = randomBytes(9_000_000)
    await mkdir(path.join(folder, 'a', 'b'), { recursive: true })
    await writeFile(path.join(folder, 'a', 'b', 'big'), bytes)
    await writeFile(path.join(folder, 'small'), 'xhello')
    await writeFile(path.join(folder, 'empty'), '')
    const block = 4 * 1024 * 1024
    const patterns = [
      bytes.subarray(0, 9),
      bytes.subarray(-9),
      bytes.subarray(block - 5, block + 4),
      bytes.subarray(2 * block - 1, 2 * block + 30),
      Buffer.from('hello'),
      Buffer.from('not there'),
    ]
    const { files, hits, bytes: size } = await searchFiles(folder, new BytePatterns(patterns))
    expect([files, size]).toEqual([3, 9_000_006])
    const found = hits.map(({ file, pattern }) => `${pattern} ${file}`).sort()
    expect(found).toEqual(['0 a/b/big', '1 a/b/big', '2 a/b/big', '3 a/b/big', '4 small'])
  })

  test('without patterns nothing is found', async () => {
    await writeFile(path.join(folder, 'small'), 'hello')
    expect(await searchFiles(folder, new BytePatterns([]))).toMatchObject({ files: 1, hits: [] })
  })
})
