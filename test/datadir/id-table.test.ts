import { expect, test } from '@jest/globals'
import fc from 'fast-check'

import { IdTable } from '../../src/datadir/id-table.js'

test('is a map from ids to numbers', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.string({ unit: 'binary', maxLength: 12 }), fc.nat()), { maxLength: 300 }),
      (pairs) => {
        const table = new IdTable()
        const expected = new Map<string, number>()
        for (const [id, value] of pairs) {
          const bytes = Buffer.from(`x${id}`)
          table.set(bytes, 1, bytes.length, value)
          expected.set(bytes.toString('latin1', 1), value)
        }
        expect(table.size).toBe(expected.size)
        for (const [id, value] of expected) {
          const bytes = Buffer.from(id, 'latin1')
          expect(table.get(bytes, 0, bytes.length)).toBe(value)
        }
        expect(table.get(Buffer.from('another id, longer than those'), 0, 29)).toBeNaN()
      },
    ),
    { numRuns: 30 },
  )
})

test('grows', () => {
  const table = new IdTable()
  const bytes = Buffer.alloc(20)
  const write = (id: number) => bytes.write(`record-${String(id).padStart(8, '0')}`, 'latin1')
  for (let id = 0; id < 50_000; id++) table.set(bytes, 0, write(id), id)
  expect(table.size).toBe(50_000)
  for (let id = 0; id < 50_000; id += 997) expect(table.get(bytes, 0, write(id))).toBe(id)
  expect(table.get(bytes, 0, write(50_001))).toBeNaN()
})
