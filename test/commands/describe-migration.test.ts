import { describe, expect, test } from '@jest/globals'

import { describeKept } from '../../src/commands/describe-migration-kept.js'
import { describePlan } from '../../src/commands/describe-migration-plan.js'
import { describeRun, type ToldRun } from '../../src/commands/describe-migration-run.js'
import { describeStatus } from '../../src/commands/describe-migration-status.js'
import type {
  MigrationPlan,
  PlannedMigration,
  PlannedStep,
} from '../../src/migrations/plan/migration-plan.js'
import type { KeptCollection } from '../../src/migrations/run/complete.js'
import type { MigrationResult, StepResult } from '../../src/migrations/run/result.js'
import type { MigrationState, MigrationStatus } from '../../src/migrations/run/status.js'
import { createStyle } from '../../src/output/style.js'

const style = createStyle(false)
const place = { displayUrl: 'http://x:8000', tenant: 'acme', database: 'docs' }

const step: PlannedStep = {
  number: 1,
  title: 'docs copyAndSwap',
  done: false,
  opaque: false,
  destructive: false,
  changes: ['l2→cosine', '384→1536'],
  records: 48_210,
  sample: { records: 500, changed: 500, dropped: 0 },
  embedding: {
    model: 'te3s',
    texts: 48_210,
    uniqueTexts: 41_877,
    cached: 0,
    tokens: 9_300_000,
    cost: 0.186,
    seconds: 840,
  },
  peakBytes: 421_527_552,
  gapMs: 15,
  notes: [],
}

const nothing: Partial<PlannedStep> = {
  changes: [],
  records: null,
  sample: null,
  embedding: null,
  peakBytes: null,
  gapMs: null,
}

const migration: PlannedMigration = {
  version: '00007',
  name: 'docs_cosine',
  description: 'docs: cosine, and a larger model',
  checksum: 'b1:0',
  action: 'apply',
  reversible: '2026-12-05T02:00:00.000Z',
  startup: 'never',
  steps: [step, { ...step, ...nothing, number: 2, title: 'step "notify"', opaque: true }],
}

const plan: MigrationPlan = {
  format: 'chroma-ops-plan',
  formatVersion: 1,
  createdAt: '2026-11-21T02:00:00.000Z',
  ...place,
  environment: 'production',
  from: '00006',
  to: '00007',
  migrations: [migration],
  collections: [],
  backup: { needed: false, versions: [], collections: [], problem: null },
  lock: 'free',
  destructive: [],
  warnings: [],
}

const apply = 'chroma-ops migrate up --plan plan.json'

describe('a plan', () => {
  test('is dense, and says what it costs and what comes next', () => {
    expect(describePlan(plan, style, { apply })).toBe(
      [
        'plan for http://x:8000 acme/docs: 00006 → 00007   (lock: free, environment: production)',
        ' 00007 docs_cosine   can be taken back until 2026-12-05 · never at the start of an application',
        '   docs: cosine, and a larger model',
        '   1 docs copyAndSwap   l2→cosine  384→1536  48,210 records  changes 500 (100 %) of 500 tried',
        '       embeds about 41,877 different texts (6,333 repeated) with te3s, about 9,300,000 tokens, cost about 0.19, about 14 min 0 s',
        '       402.0 MiB beside what is there; the name is missing for about 15 ms; programs that hold the collection open it again',
        '   2 step "notify"      not simulated',
        'backup: none is needed',
        'destructive: nothing',
        `nothing has been changed; apply it with: ${apply}`,
      ].join('\n'),
    )
  })

  test('names what is destructive, and what stands in the way of a backup', () => {
    const text = describePlan(
      {
        ...plan,
        backup: {
          needed: true,
          versions: ['00007'],
          collections: ['docs'],
          problem: 'no repository is named',
        },
        destructive: [
          { version: '00007', step: 1, code: 'DROPS_RECORDS', message: 'drops about 96 of 48,210' },
        ],
        warnings: [{ version: '00007', step: null, code: 'OPAQUE', message: 'cannot be simulated' }],
      },
      style,
      { apply },
    )
    expect(text).toContain(
      'backup: 1 collection (docs) before the first change: cannot be made: no repository is named',
    )
    expect(text).toContain('destructive: 00007 step 1: drops about 96 of 48,210 (DROPS_RECORDS)')
    expect(text).toContain('up refuses this without --allow-destructive')
    expect(text).toContain(`nothing has been changed; as it is, up would refuse this: ${apply}`)
    expect(text).toContain('warning: 00007: cannot be simulated (OPAQUE)')
  })

  test('is exact about texts where all were looked at', () => {
    const steps = [{ ...step, sample: { records: 48_210, changed: 0, dropped: 0 } }]
    const text = describePlan({ ...plan, migrations: [{ ...migration, steps }] }, style, { apply })
    expect(text).toContain('embeds 41,877 different texts')
  })

  test('of a database without a history says that up refuses, and of code that everything is backed up', () => {
    const warnings = [{ version: '00007', step: null, code: 'NO_HISTORY', message: 'no history' }]
    const backup = { needed: true, versions: ['00007'], collections: ['*'], problem: null }
    const text = describePlan({ ...plan, warnings, backup }, style, { apply })
    expect(text).toContain(`as it is, up would refuse this: ${apply}`)
    expect(text).toContain('backup: every collection before the first change')
  })

  test.each([
    [{ records: 500, changed: 0, dropped: 0 }, 'unchanged in 500 tried'],
    [{ records: 500, changed: 0, dropped: 5 }, 'leaves out 5 (1 %) of 500 tried'],
    [{ records: 500, changed: 250, dropped: 5 }, 'changes 250 (50 %), leaves out 5 (1 %) of 500 tried'],
    [{ records: 0, changed: 0, dropped: 0 }, 'unchanged in 0 tried'],
  ])('of a sample %j', (sample, expected) => {
    const steps = [{ ...step, sample, embedding: null }]
    const text = describePlan({ ...plan, migrations: [{ ...migration, steps }] }, style, { apply })
    expect(text.split('\n')[3]).toMatch(new RegExp(`  ${expected.replaceAll(/[()]/g, '.')}$`))
  })

  test('tells each note once', () => {
    const noted = { ...step, notes: ['nobody writes to it meanwhile'] }
    const warnings = [
      { version: '00007', step: 1, code: 'NOTE', message: '00007 step 1: nobody writes to it meanwhile' },
      { version: '00007', step: 2, code: 'NOTE', message: '00007 step 2: something else' },
    ]
    const text = describePlan({ ...plan, migrations: [{ ...migration, steps: [noted] }], warnings }, style, {
      apply,
    })
    expect(text.match(/nobody writes/g)).toHaveLength(1)
    expect(text).toContain('warning: 00007 step 2: something else (NOTE)')
  })

  test('of nothing', () => {
    const text = describePlan({ ...plan, migrations: [], from: '00007' }, style, { apply })
    expect(text).toBe(
      'http://x:8000 acme/docs is at 00007; nothing is to be done   (lock: free, environment: production)',
    )
  })

  test('of one that is skipped, one that goes on, and one without a way back', () => {
    const text = describePlan(
      {
        ...plan,
        migrations: [
          { ...migration, action: 'skip' },
          {
            ...migration,
            version: '00008',
            action: 'resume',
            reversible: 'irreversible',
            startup: 'allowed',
          },
        ],
      },
      style,
      { apply },
    )
    expect(text).toContain(' 00007 docs_cosine   skipped: not for this environment\n 00008')
    expect(text).toContain(' 00008 docs_cosine   goes on from an earlier run · no way back\n')
  })
})

const done: StepResult = {
  title: 'docs copyAndSwap',
  state: 'done',
  records: 48_210,
  embedded: 41_877,
  gapMs: 14,
  notes: ['2 late writes were carried over: restart what holds the old collection'],
}

const result: MigrationResult = {
  version: '00007',
  name: 'docs_cosine',
  direction: 'up',
  status: 'success',
  resumed: true,
  ms: 65_000,
  steps: [done, { ...done, title: 'docs setMetadata', records: 0, embedded: 0, gapMs: null, notes: [] }],
  backup: { repository: '/backups', id: '20261121T020000Z-docs-7f3k' },
  error: null,
}

const run: ToldRun = {
  action: 'up',
  dryRun: false,
  runId: 'abc',
  ...place,
  from: '00006',
  to: '00007',
  migrations: [result],
  warnings: [],
}

describe('a run', () => {
  test('tells each step, and what the operator should know', () => {
    expect(describeRun(run, style)).toBe(
      [
        'up of http://x:8000 acme/docs: 00006 → 00007',
        ' ↑ 00007 docs_cosine   applied, went on from an earlier run, 1 min 5 s, backup 20261121T020000Z-docs-7f3k',
        '    1 docs copyAndSwap   48,210 records, 41,877 texts embedded, the name was missing for 14 ms',
        '       2 late writes were carried over: restart what holds the old collection',
        '    2 docs setMetadata',
      ].join('\n'),
    )
  })

  test('that failed says how far it came', () => {
    const failed: MigrationResult = {
      ...result,
      status: 'error',
      resumed: false,
      backup: null,
      steps: [{ ...done, state: 'failed', records: 0, embedded: 0, gapMs: null, notes: [] }],
    }
    const later: MigrationResult = {
      ...result,
      version: '00008',
      status: 'notExecuted',
      steps: [],
      backup: null,
    }
    const text = describeRun({ ...run, to: '00006', migrations: [failed, later] }, style)
    expect(text).toContain('up of http://x:8000 acme/docs: at 00006')
    expect(text).toContain(' ↑ 00007 docs_cosine   failed, 1 min 5 s\n    1 docs copyAndSwap   failed\n')
    expect(text).toContain(' ↑ 00008 docs_cosine   not begun')
  })

  test('that was stopped has not failed', () => {
    const left: MigrationResult = {
      ...{ ...result, status: 'error', resumed: false, backup: null },
      steps: [{ ...done, state: 'failed', records: 0, embedded: 0, gapMs: null, notes: [] }],
    }
    const text = describeRun({ ...run, to: '00006', migrations: [left] }, style, { stopped: true })
    expect(text).toContain(' ↑ 00007 docs_cosine   stopped, 1 min 5 s\n    1 docs copyAndSwap   stopped')
    expect(text).not.toContain('failed')
  })

  test('back, a dry one, one for another environment, and one of nothing', () => {
    const down: MigrationResult = { ...result, direction: 'down', resumed: false, steps: [], backup: null }
    expect(describeRun({ ...run, action: 'down', migrations: [down] }, style)).toContain(
      ' ↓ 00007 docs_cosine   taken back, 1 min 5 s',
    )
    const planned: MigrationResult = { ...down, status: 'planned' }
    const dry = describeRun({ ...run, action: 'down', dryRun: true, migrations: [planned] }, style)
    expect(dry).toBe(
      'nothing has been changed; down of http://x:8000 acme/docs would\n ↓ 00007 docs_cosine   would be taken back',
    )
    const skipped = describeRun({ ...run, migrations: [{ ...down, status: 'skipped' }] }, style)
    expect(skipped).toContain('skipped: not for this environment')
    const none = { ...run, migrations: [], warnings: [{ code: 'X', message: 'something' }] }
    expect(describeRun(none, style)).toBe(
      'http://x:8000 acme/docs is at 00007; nothing is to be done\nwarning: something',
    )
  })
})

const state: MigrationState = {
  version: '00006',
  name: 'docs_tags',
  status: 'applied',
  outOfOrder: false,
  appliedAt: '2026-11-20T02:00:00.000Z',
  ms: 1200,
  actor: 'ci',
  progress: null,
  error: null,
}

const kept: KeptCollection = {
  name: 'docs.old-1a2b3c4d',
  id: 'abc',
  version: '00006',
  kind: 'replaced',
  records: 48_210,
  keepUntil: '2026-11-20T02:00:00.000Z',
  due: true,
}

const status: MigrationStatus = {
  ...place,
  environment: 'production',
  hasHistory: true,
  head: '00006',
  migrations: [state],
  findings: [],
  lock: null,
  kept: [],
}

const advice = { up: 'chroma-ops migrate up', complete: 'chroma-ops migrate complete --apply' }

describe('the status', () => {
  test('of a database where all is well', () => {
    expect(describeStatus(status, style, advice)).toBe(
      [
        'http://x:8000 acme/docs: at 00006, environment production',
        'version  name       status   when                   took  by',
        '00006    docs_tags  applied  2026-11-20 02:00:00Z  1.2 s  ci',
        'nothing is to be done',
      ].join('\n'),
    )
  })

  test('of one that is just being applied does not say that nothing is to be done', () => {
    const running = { ...state, status: 'running' } as const
    expect(describeStatus({ ...status, migrations: [running] }, style, advice)).not.toContain('nothing is')
  })

  test('says what is next when something is pending', () => {
    const pending = {
      ...state,
      version: '00007',
      status: 'pending',
      appliedAt: null,
      ms: null,
      actor: null,
    } as const
    const text = describeStatus({ ...status, migrations: [state, pending] }, style, advice)
    expect(text).toContain('1 migration to apply: chroma-ops migrate up')
    expect(text).not.toContain('nothing is to be done')
  })

  test('says how far an unfinished one came, who migrates, and what to do', () => {
    const text = describeStatus(
      {
        ...status,
        migrations: [
          {
            ...state,
            version: '00007',
            status: 'interrupted',
            progress: 'step 1 of 2, docs copyAndSwap: COPYING 3,500 of 20,000',
          },
        ],
        findings: [
          {
            code: 'MIGRATION_INTERRUPTED',
            version: '00007',
            message: 'its run is gone',
            hint: 'go on with "chroma-ops migrate up"',
          },
        ],
        lock: {
          id: 'lock-id',
          owner: 'ci',
          host: 'runner',
          pid: 4711,
          runId: 'abc',
          phase: '00007, step 1 of 2: docs copyAndSwap',
          since: '2026-11-21T02:00:00.000Z',
          lastBeat: '2026-11-21T02:01:00.000Z',
          stale: true,
        },
      },
      style,
      advice,
    )
    expect(text).toContain('00007 interrupted at step 1 of 2, docs copyAndSwap: COPYING 3,500 of 20,000')
    expect(text).toMatch(/^00007 {4}docs_tags {2}interrupted {2}/m)
    expect(text).toContain(
      'MIGRATION_INTERRUPTED 00007: its run is gone\n  next: go on with "chroma-ops migrate up"',
    )
    expect(text).toContain(
      'locked by ci on runner (pid 4711, run abc) since 2026-11-21T02:00:00.000Z, last sign of life 2026-11-21T02:01:00.000Z (its own clock); its run is dead\n  at: 00007, step 1 of 2: docs copyAndSwap\n  lock id: lock-id',
    )
  })

  test('names what is kept, and what is due', () => {
    const text = describeStatus(
      { ...status, kept: [kept, { ...kept, due: false, keepUntil: null }] },
      style,
      advice,
    )
    expect(text).toContain(
      'kept: docs.old-1a2b3c4d (replaced by 00006), 48,210 records, until 2026-11-20 02:00:00Z',
    )
    expect(text).toContain('for ever\n  one is due; drop with: chroma-ops migrate complete --apply')
  })

  test('of a virgin database without files', () => {
    const text = describeStatus(
      { ...status, environment: null, head: null, hasHistory: false, migrations: [] },
      style,
      advice,
    )
    expect(text).toBe(
      'http://x:8000 acme/docs: no migration is applied\nthere are no migrations\nnothing is to be done',
    )
  })
})

describe('what is kept', () => {
  const next = 'chroma-ops migrate complete --apply'
  const later = { ...kept, due: false }

  test.each([
    [{ applied: false, collections: [] }, 'no migration keeps an old collection'],
    [
      { applied: false, collections: [kept, later] },
      `nothing has been dropped; 1 collection with 48,210 records would be: ${next}`,
    ],
    [{ applied: false, collections: [later] }, 'nothing is due yet; --early drops it all the same'],
    [{ applied: true, collections: [kept, later] }, 'dropped 1 collection with 48,210 records'],
  ])('%j', (result, last) => {
    expect(describeKept(result, style, next).split('\n').at(-1)).toBe(last)
  })
})
