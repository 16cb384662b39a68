import { expect, test } from '@jest/globals'

import { openingBy } from '../../src/datadir/migrations.js'

const of = (sysdb: number, metadb: number, embeddingsQueue: number) => ({
  sysdb,
  metadb,
  embeddingsQueue,
  releases: null,
})

test.each([
  ['1.5.9', of(10, 6, 2), 'as it is'],
  ['1.5', of(4, 3, 1), 'migrating'],
  ['1.0.20', of(9, 4, 2), 'migrating'],
  ['1.0.20', of(10, 5, 2), 'refused'],
  ['0.6.3', of(9, 5, 2), 'refused'],
  // Since 1.3 newer migrations are tolerated.
  ['1.3.5', of(10, 6, 2), 'as it is'],
  ['0.3.29', of(3, 1, 1), 'refused'],
] as const)('Chroma %s opens %j: %s', (version, fingerprint, opening) => {
  expect(openingBy(version, fingerprint)).toBe(opening)
})
