import type { MigrationRow, StepRow } from '../../src/migrations/state/row.js'

export function migrationRow(changes: Partial<MigrationRow> = {}): MigrationRow {
  return {
    version: '00001',
    name: 'docs',
    status: 'running',
    checksum: 'b1:00',
    direction: 'up',
    attempt: 1,
    runId: 'run',
    lockId: 'lock',
    actor: 'ada',
    host: 'here',
    toolVersion: '0.1.0',
    serverVersion: '1.4.4',
    startedAt: '2030-01-01T00:00:00.000Z',
    finishedAt: null,
    steps: [],
    backup: null,
    touched: ['docs'],
    fingerprints: [],
    error: null,
    ...changes,
  }
}

export function stepRow(changes: Partial<StepRow> = {}): StepRow {
  return {
    hash: '00',
    title: 'docs copyAndSwap',
    state: 'running',
    progress: null,
    undo: null,
    notes: [],
    ...changes,
  }
}
