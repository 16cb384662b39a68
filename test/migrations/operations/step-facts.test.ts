import { expect, test } from '@jest/globals'

import {
  isOpaque,
  isUndoable,
  needsBackup,
  stepHash,
  stepTitle,
  touchedBy,
} from '../../../src/migrations/operations/step-facts.js'
import { double } from '../../../src/migrations/record.js'
import type { Step } from '../../../src/migrations/step.js'

const map = {
  hash: 'h',
  space: null,
  newVectors: false,
  embedded: 0,
  map: () => Promise.reject(new Error('never')),
}
const code: Step = { kind: 'code', name: 'notify', run: () => {}, down: null }

test('a hash differs with the operation, its arguments and the source of its functions', () => {
  const steps: Step[] = [
    { kind: 'drop', collection: 'a', keep: '14d' },
    { kind: 'drop', collection: 'b', keep: '14d' },
    { kind: 'drop', collection: 'a', keep: '0' },
    { kind: 'rename', collection: 'a', to: 'b' },
    { kind: 'setMetadata', collection: 'a', change: { n: 1 } },
    { kind: 'setMetadata', collection: 'a', change: { n: '1' } },
    { kind: 'setMetadata', collection: 'a', change: { n: 1n } },
    { kind: 'setMetadata', collection: 'a', change: { n: double(1) } },
    { kind: 'setMetadata', collection: 'a', change: (old) => old },
    { kind: 'setMetadata', collection: 'a', change: () => null },
    { kind: 'inPlace', collection: 'a', map },
    { kind: 'inPlace', collection: 'a', map: { ...map, hash: 'i' } },
    code,
    { ...code, down: () => {} },
  ]
  expect(new Set(steps.map(stepHash)).size).toBe(steps.length)
})

test('a hash is the same whatever the order of keys and the line ends', () => {
  const options = { space: 'ip', metadata: { a: 1, b: 2 } } as const
  const turned = { metadata: { b: 2, a: 1 }, space: 'ip' } as const
  const [one, other] = [options, turned].map((made) =>
    stepHash({ kind: 'create', collection: 'a', options: made }),
  )
  expect(one).toBe(other)
})

test('what a step touches, and whether there is a way back', () => {
  const merge: Step = { kind: 'merge', collection: 'a', others: ['b'], into: 'c', onConflict: 'fail' }
  expect(touchedBy(merge)).toEqual({ reads: ['a', 'b'], writes: ['c'] })
  expect(touchedBy(code)).toBeNull()
  expect(stepTitle(merge)).toBe('a + b merge → c')
  const inPlace: Step = { kind: 'inPlace', collection: 'a', map }
  expect([merge, inPlace, code].map(isUndoable)).toEqual([true, false, false])
  expect([merge, inPlace, code].map(needsBackup)).toEqual([false, true, true])
  expect([merge, inPlace, code].map(isOpaque)).toEqual([false, false, true])
})
