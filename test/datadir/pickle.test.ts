import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { PickleError } from '../../src/datadir/errors.js'
import { IndexPickleParser, parseIndexPickle } from '../../src/datadir/pickle.js'
import { unpackFixture, type FixtureDirectory } from '../helpers/fixtures.js'
import { anyDamage, damaged } from '../helpers/damage-bytes.js'

/** The object of 0.4 to 0.6, and the dict of 1.x. */
const forms = ['0.6.3', '1.5.9'] as const
const unpacked: FixtureDirectory[] = []
const pickles = new Map<string, readonly Buffer[]>()

beforeAll(async () => {
  for (const release of forms) {
    const fixture = await unpackFixture(release)
    unpacked.push(fixture)
    const found: Buffer[] = []
    for (const name of await readdir(fixture.directory)) {
      const file = await readFile(path.join(fixture.directory, name, 'index_metadata.pickle')).catch(
        () => null,
      )
      if (file !== null) found.push(file)
    }
    pickles.set(
      release,
      found.sort((a, b) => b.length - a.length),
    )
  }
})
afterAll(async () => {
  for (const { remove } of unpacked) await remove()
})

describe.each(forms)('the index pickle of %s', (release) => {
  const largest = () => pickles.get(release)?.[0] ?? Buffer.alloc(0)

  test('gives the label of each record', () => {
    expect(pickles.get(release)?.length).toBeGreaterThan(3)
    const { idToLabel, totalElementsAdded } = parseIndexPickle(largest())
    expect(idToLabel.size).toBeGreaterThan(140)
    expect(idToLabel.get('id-010')).toBeGreaterThan(0)
    expect(new Set(idToLabel.values()).size).toBe(idToLabel.size)
    expect(totalElementsAdded).toBeGreaterThanOrEqual(Math.max(...idToLabel.values()))
  })

  test('gives the same in pieces of any size', () => {
    const whole = parseIndexPickle(largest())
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), (size) => {
        const labels = new Map<string, number>()
        const parser = new IndexPickleParser((bytes, from, to, label) =>
          labels.set(Buffer.from(bytes.subarray(from, to)).toString(), label),
        )
        // As from a file: every piece in the same memory.
        const memory = Buffer.alloc(size)
        for (let at = 0; at < largest().length; at += size)
          parser.push(memory.subarray(0, largest().copy(memory, 0, at, at + size)))
        expect({ ...parser.end(), idToLabel: labels }).toEqual(whole)
      }),
      { numRuns: 20 },
    )
  })

  test('is refused where it is cut off, at any byte', () => {
    for (let length = 0; length < largest().length; length += 7)
      expect(() => parseIndexPickle(largest().subarray(0, length))).toThrow(PickleError)
  })

  test('does no harm when it is damaged: it is read, or refused', () => {
    fc.assert(
      fc.property(anyDamage(), (damage) => {
        let failure: unknown
        try {
          expect(parseIndexPickle(damaged(largest(), damage)).idToLabel.size).toBeLessThan(10_000)
        } catch (error) {
          failure = error
        }
        if (failure !== undefined) expect(failure).toBeInstanceOf(PickleError)
      }),
      { numRuns: Number(process.env['CHROMA_OPS_TEST_CASES'] ?? 300) },
    )
  })
})

test('any bytes at all are refused, or are a pickle', () => {
  const opcodes = fc.constantFrom(
    ...Buffer.from('}()NKJMXhjqru.sbc\x80\x81\x88\x8a\x8c\x8d\x93\x94\x95', 'latin1'),
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(opcodes, fc.nat(255)), { maxLength: 200 }), (bytes) => {
      expect(() => parseIndexPickle(Uint8Array.from(bytes))).toThrow(PickleError)
    }),
    { numRuns: Number(process.env['CHROMA_OPS_TEST_CASES'] ?? 1000) },
  )
})

test('code is never run: what makes objects of functions is refused', () => {
  // REDUCE: os.system("…"), as `pickle` would run it.
  const attack = Buffer.from('cos\nsystem\n(X\x04\x00\x00\x00true\x85R.', 'latin1')
  expect(() => parseIndexPickle(attack)).toThrow(PickleError)
})
