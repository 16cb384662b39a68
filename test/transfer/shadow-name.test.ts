import fc from 'fast-check'
import { expect, test } from '@jest/globals'

import { nameProblem, replacedName, runOf, shadowName } from '../../src/transfer/shadow-name.js'

const edge = fc.constantFrom('a', 'z', 'A', 'Z', '0', '9')
const names = fc
  .tuple(
    edge,
    fc.string({ unit: fc.constantFrom('a', 'b', '0', '1', '.', '_', '-'), minLength: 1, maxLength: 510 }),
    edge,
  )
  .map((parts) => parts.join(''))
  .filter((name) => nameProblem(name) === null)

test('the temporary names of a good name are good names, however long it is', () => {
  fc.assert(
    fc.property(names, (name) => {
      for (const made of [
        shadowName(name, '0123abcd'),
        replacedName(name, '0123abcd', 1),
        replacedName(name, '0123abcd', 12),
      ])
        expect({ made, problem: nameProblem(made) }).toEqual({ made, problem: null })
    }),
  )
})

test('the run is the same in every run of the same restore, and only there', () => {
  const place = { tenant: 't', database: 'd', name: 'docs' }
  const identity = { origin: 'backup-1', source: place, target: place }
  expect(runOf(identity)).toBe(runOf({ ...identity, source: { ...place } }))
  const others = [
    { ...identity, origin: 'backup-2' },
    { ...identity, target: { ...place, name: 'other' } },
    { ...identity, source: { ...place, database: 'other' } },
  ]
  expect(new Set([identity, ...others].map(runOf)).size).toBe(4)
  expect(runOf(identity)).toMatch(/^[0-9a-f]{8}$/)
})

test.each([
  ['ab', false],
  ['abc', true],
  ['a'.repeat(512), true],
  ['a'.repeat(513), false],
  ['a..b', false],
  ['1.2.3.4', false],
  ['.abc', false],
  ['abc-', false],
  ['a b', false],
  ['ä-b', false],
])('%s', (name, good) => {
  expect(nameProblem(name) === null).toBe(good)
})
