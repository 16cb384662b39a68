import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { putTogether, takeApart } from '../../src/backup/block-parts.js'
import { blockSizeFor, cutFile, partsOf } from '../../src/backup/file-cutter.js'
import { planeSizes } from '../../src/backup/file-table.js'

const CASES = Number(process.env['CHROMA_OPS_TEST_CASES'] ?? 60)
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-cut-'))
})
afterAll(() => rm(folder, { recursive: true }))

test('records are put together as they were taken apart', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 }),
      fc.nat(50),
      (parts, count) => {
        const records = Buffer.from(
          Array.from({ length: parts.reduce((a, b) => a + b) * count }, (_, n) => n % 251),
        )
        expect(putTogether(takeApart(records, parts), parts)).toEqual(records)
      },
    ),
    { numRuns: CASES },
  )
})

test('the planes of a file have the sizes they should, whole blocks but the last, and give the file back', async () => {
  const file = path.join(folder, 'any')
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 300_000 }),
      fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 3 }),
      fc.constantFrom(4096, 16_384, 65_536),
      async (size, parts, blockSize) => {
        const bytes = Buffer.from(Array.from({ length: size }, (_, n) => (n * 31) % 253))
        await writeFile(file, bytes)
        const planes: Buffer[][] = planeSizes(size, parts).map(() => [])
        for await (const piece of cutFile(file, size, { blockSize, parts }))
          planes[piece.plane]?.push(Buffer.from(piece.bytes))
        expect(planes.map((blocks) => blocks.reduce((sum, { length }) => sum + length, 0))).toEqual(
          planeSizes(size, parts),
        )
        for (const blocks of planes)
          expect(blocks.slice(0, -1).every(({ length }) => length === blockSize)).toBe(true)
        const whole = planes.map((blocks) => Buffer.concat(blocks))
        const rest = whole[parts.length] ?? Buffer.alloc(0)
        const records = parts.length === 0 ? Buffer.alloc(0) : putTogether(whole.slice(0, -1), parts)
        expect(Buffer.concat([records, rest]).equals(bytes)).toBe(true)
      },
    ),
    { numRuns: CASES },
  )
})

test('blocks of a database are small, and those of huge files at most 4 MiB', () => {
  expect(blockSizeFor('chroma.sqlite3', 1e9)).toBe(16 * 1024)
  expect(blockSizeFor('data_level0.bin', 1e9)).toBe(64 * 1024)
  expect(blockSizeFor('data_level0.bin', 1e13)).toBe(4 * 1024 * 1024)
})

test('a header that makes no sense cuts a file as a whole', async () => {
  const level = path.join(folder, 'data_level0.bin')
  await writeFile(level, Buffer.alloc(10))
  expect(await partsOf(level)).toBeNull()
  await writeFile(path.join(folder, 'header.bin'), Buffer.alloc(100, 255))
  expect(await partsOf(level)).toEqual([])
  expect(await partsOf(path.join(folder, 'header.bin'))).toEqual([])
})
