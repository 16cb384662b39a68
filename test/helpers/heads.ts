import type { BackupHead } from '../../src/backup/manifest.js'

/** The manifest of a complete backup of nothing, for tests that care about few of its parts. */
export function headOf(overrides: Partial<BackupHead> & Pick<BackupHead, 'id' | 'created'>): BackupHead {
  return {
    format: 1,
    requires: [],
    series: 'docs',
    type: 'full',
    status: 'complete',
    finished: overrides.created,
    durationMs: 0,
    parent: null,
    target: { url: 'http://127.0.0.1:8000', fingerprint: {} },
    scope: { tenants: ['default_tenant'], databases: null, collections: [], exclude: [] },
    tool: { name: 'chroma-ops', version: '0.1.0' },
    host: 'testhost',
    actor: 'tester',
    tags: {},
    counts: { collections: 0, failedCollections: 0, records: 100, missingVectors: 0 },
    sizes: { logical: 0, stored: 0, added: 0 },
    consistency: {
      kind: 'quiesced',
      added: 0,
      removed: 0,
      missing: 0,
      collectionsAdded: 0,
      collectionsRemoved: 0,
    },
    contents: { objects: [], collections: [] },
    ...overrides,
  }
}
