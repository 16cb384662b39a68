import { expect, test } from '@jest/globals'

import { catalogue } from '../../src/config/catalogue.js'
import { waitOf } from '../../src/config/migration-settings.js'
import { Settings } from '../../src/config/settings.js'

test('another run is waited for as long as is said, also for ever', () => {
  expect([waitOf('0'), waitOf('5m'), waitOf('inf')]).toEqual([0, 300_000, Infinity])
  expect(() => waitOf('forever')).toThrow('"forever" is not a duration')
})

test('by default longer than it takes to find out that a run is dead', () => {
  const settings = new Settings({ flags: new Map(), environment: {}, file: null })
  const { migrationsLockTtl: ttl, migrationsLockWait: wait, migrationsDir: dir } = catalogue
  expect(settings.value(wait)).toBeGreaterThan(settings.value(ttl))
  expect(settings.value(dir)).toBe('migrations')
})
