import { cp, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { HnswError } from '../../src/datadir/errors.js'
import { readHnswHeader } from '../../src/datadir/hnsw-header.js'
import { openHnswIndex } from '../../src/datadir/hnsw-index.js'
import { HnswVectors } from '../../src/datadir/hnsw-vectors.js'
import { parseIndexPickle } from '../../src/datadir/pickle.js'
import { anyDamage, damaged } from '../helpers/damage-bytes.js'
import { unpackFixture, type FixtureDirectory } from '../helpers/fixtures.js'

let fixture: FixtureDirectory
/** The largest index of the fixture: 150 records, of which some were deleted. */
let folder = ''
let header: Buffer
const copies: string[] = []

beforeAll(async () => {
  fixture = await unpackFixture('1.5.9')
  let most = 0
  for (const name of await readdir(fixture.directory)) {
    const own = path.join(fixture.directory, name)
    const size = await stat(path.join(own, 'index_metadata.pickle')).then(
      (found) => found.size,
      () => 0,
    )
    if (size > most) [most, folder] = [size, own]
  }
  header = await readFile(path.join(folder, 'header.bin'))
})
afterAll(async () => {
  await fixture.remove()
  for (const copy of copies) await rm(copy, { recursive: true })
})

async function copyOfIndex(): Promise<string> {
  const copy = await mkdtemp(path.join(tmpdir(), 'chroma-ops-index-'))
  copies.push(copy)
  await cp(folder, copy, { recursive: true })
  return copy
}

describe('the header of an index', () => {
  test('tells dimension, elements and sizes', () => {
    const { elements, maxElements, dimension, m, maxM0, elementSize } = readHnswHeader(header)
    expect({ dimension, m, maxM0 }).toEqual({ dimension: 8, m: 4, maxM0: 8 })
    expect(elementSize).toBe(4 + 8 * 4 + 8 * 4 + 8)
    expect(elements).toBeGreaterThan(149)
    expect(maxElements).toBeGreaterThanOrEqual(elements)
  })

  test('is read or refused, whatever happens to its bytes', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyDamage().map((one) => damaged(header, one)),
          fc.uint8Array({ maxLength: 120 }),
        ),
        (bytes) => {
          try {
            const { dimension, elementSize } = readHnswHeader(bytes)
            expect(elementSize).toBeGreaterThan(dimension * 4)
          } catch (error) {
            expect(error).toBeInstanceOf(HnswError)
          }
        },
      ),
      { numRuns: Number(process.env['CHROMA_OPS_TEST_CASES'] ?? 1000) },
    )
  })
})

describe('an index', () => {
  test('has the labels that the pickle names, and marks the deleted ones', async () => {
    const { idToLabel } = parseIndexPickle(await readFile(path.join(folder, 'index_metadata.pickle')))
    const index = await openHnswIndex(folder)
    const [kept, deleted] = [new Set<number>(), new Set<number>()]
    for await (const block of index.blocks())
      for (const [at, label] of block.labels.entries()) (block.deleted[at] === 1 ? deleted : kept).add(label)
    await index.close()
    expect(kept).toEqual(new Set(idToLabel.values()))
    expect(deleted.size).toBeGreaterThan(0)
  })

  test('gives vectors by label, in any order; none for deleted and unknown ones', async () => {
    const index = await openHnswIndex(folder)
    const expected = new Map<number, Float32Array>()
    const gone: number[] = []
    const { dataOffset, elementSize } = index.header
    for await (const { bytes, labels, deleted } of index.blocks()) {
      for (const [at, label] of labels.entries()) {
        const from = at * elementSize + dataOffset
        if (deleted[at] === 1) gone.push(label)
        else expected.set(label, new Float32Array(Uint8Array.from(bytes.subarray(from, from + 32)).buffer))
      }
    }
    const vectors = await HnswVectors.open(index, { dimension: 8, cosine: false })
    const labels = [...[...expected.keys()].reverse(), ...gone, 100_000, NaN]
    const target = new Float32Array(labels.length * 8)
    const present = await vectors.read(Float64Array.from(labels), target)
    await vectors.close()
    expect([...present]).toEqual(labels.map((label) => (expected.has(label) ? 1 : 0)))
    for (const [row, label] of labels.entries())
      expect(target.subarray(row * 8, row * 8 + 8)).toEqual(expected.get(label) ?? new Float32Array(8))
  })

  test('has links that can be followed to the last element', async () => {
    const index = await openHnswIndex(folder)
    const { size } = await stat(path.join(folder, 'link_lists.bin'))
    expect(await index.walkLinks()).toEqual({ elements: index.header.elements, bytes: size, problem: null })
    const sizes = await index.sizes()
    expect(sizes.get('link_lists.bin')?.apparent).toBe(size)
    await index.close()
  })

  test('with links that have grown out of bounds says so at once', async () => {
    const copy = await copyOfIndex()
    const links = path.join(copy, 'link_lists.bin')
    const bytes = await readFile(links)
    bytes.writeUInt32LE(0x40000000, 0)
    await writeFile(links, bytes)
    await truncate(links, 2 ** 40)
    const index = await openHnswIndex(copy)
    expect(await index.walkLinks()).toMatchObject({
      elements: 0,
      problem: expect.stringMatching(/element 0/),
    })
    const size = (await index.sizes()).get('link_lists.bin')
    expect(size?.apparent).toBe(2 ** 40)
    expect(size?.allocated).toBeLessThan(2 ** 20)
    await index.close()
  })

  test('that is cut off is refused', async () => {
    const copy = await copyOfIndex()
    await truncate(path.join(copy, 'data_level0.bin'), 1000)
    const index = await openHnswIndex(copy)
    await expect(HnswVectors.open(index, { dimension: 8, cosine: false })).rejects.toThrow(HnswError)
    await rm(path.join(copy, 'data_level0.bin'))
    await expect(openHnswIndex(copy)).rejects.toThrow(/data_level0.bin is missing/)
    await rm(path.join(copy, 'header.bin'))
    await expect(openHnswIndex(copy)).rejects.toThrow(/header.bin is missing/)
  })

  test('does no harm when its files are damaged: they are read, or refused', async () => {
    const copy = await copyOfIndex()
    const names = ['header.bin', 'data_level0.bin', 'length.bin', 'link_lists.bin'] as const
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), anyDamage(), async (name, damage) => {
        await writeFile(path.join(copy, name), damaged(await readFile(path.join(folder, name)), damage))
        try {
          const index = await openHnswIndex(copy)
          expect((await index.walkLinks()).elements).toBeLessThanOrEqual(index.header.elements)
          const vectors = await HnswVectors.open(index, { dimension: 8, cosine: true })
          await vectors.read(Float64Array.from([1, 2, 3, 150]), new Float32Array(32))
          await vectors.close()
        } catch (error) {
          expect(error).toBeInstanceOf(HnswError)
        } finally {
          await cp(path.join(folder, name), path.join(copy, name))
        }
      }),
      { numRuns: Number(process.env['CHROMA_OPS_TEST_CASES'] ?? 200) },
    )
  })
})
