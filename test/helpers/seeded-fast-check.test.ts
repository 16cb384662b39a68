import { expect, test } from '@jest/globals'
import fc from 'fast-check'

test('properties are tried with the same cases each time', () => {
  expect(fc.sample(fc.nat(), 5)).toEqual(fc.sample(fc.nat(), 5))
})
