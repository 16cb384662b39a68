import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { apiForSuite } from '../helpers/api-for-suite.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { startFaultProxy } from '../helpers/fault-proxy.js'
import { expectFailure, expectJsonFailure, runJson } from '../helpers/outcomes.js'
import { runCli } from '../helpers/run-cli.js'
import { simpleRecords } from '../helpers/simple-collection.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
const tenant = 'default_tenant'
let root: string
let databases = 0

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'chroma-ops-migrate-'))
})
afterAll(async () => {
  await rm(root, { recursive: true, force: true })
})

/** A database of its own, and a folder with migrations; `up` bodies by file name. */
async function newProject(files: Readonly<Record<string, string>>) {
  const database = `database-${++databases}`
  await api().createDatabase(tenant, database)
  const dir = path.join(root, database)
  await mkdir(dir)
  const write = async (name: string, body: string) => {
    const text = `import { defineMigration } from 'chroma-ops'\nexport default defineMigration({ description: 'a test', ${body} })\n`
    await writeFile(path.join(dir, name), text)
  }
  for (const [name, body] of Object.entries(files)) await write(name, body)
  const args = (...words: readonly string[]) => [
    'migrate',
    ...words,
    '--dir',
    dir,
    '--url',
    chroma().url,
    '--database',
    database,
    '--state-dir',
    path.join(root, 'state'),
    '--cache-dir',
    path.join(root, 'cache'),
  ]
  return {
    database,
    dir,
    write,
    args,
    json: (words: readonly string[], exitCode = 0) => runJson(args(...words), exitCode),
    text: async (...words: readonly string[]) => runCli(args(...words)),
    names: async () => (await api().listCollections(tenant, database)).map(({ name }) => name).sort(),
    fill: async (name: string, records: number) => {
      const spec = { tenant, database, name, metadata: null, schema: null, configuration: null }
      const collection = await api().createCollection(spec)
      await api().add(collection, simpleRecords(0, records))
    },
    find: (name: string) => api().findCollection({ tenant, database, name }),
  }
}

const CREATE = `async up(m) { await m.collection('docs').create({ space: 'l2' }) }`
const OWNER = `async up(m) { await m.collection('docs').setMetadata({ owner: 'ada' }) }`
const COSINE = `async up(m) { await m.collection('docs').changeSpace('cosine') }`

describe('from nothing to applied, and back', () => {
  test('status and plan of a virgin database create nothing', async () => {
    const { json, names, text } = await newProject({ '00001_docs.ts': CREATE })
    expect(await json(['status'])).toMatchObject({
      hasHistory: false,
      head: null,
      conditions: ['pending'],
      migrations: [{ version: '00001', name: 'docs', status: 'pending' }],
      lock: null,
      kept: [],
    })
    expect(await text('status', '--exit-code')).toMatchObject({ exitCode: 3 })
    expect(await text('status', '--fail-on', 'drift,dirty')).toMatchObject({ exitCode: 0 })
    const plan = await json(['plan'])
    expect(plan).toMatchObject({ format: 'chroma-ops-plan', from: null, to: '00001', lock: 'free' })
    expect(await names()).toEqual([])
  })

  test('up, nothing more to do, down, redo, complete, history', async () => {
    const { json, names, text, find } = await newProject({
      '00001_docs.ts': CREATE,
      '00002_cosine.ts': COSINE,
    })
    const up = await json(['up'])
    expect(up).toMatchObject({ action: 'up', dryRun: false, from: null, to: '00002', warnings: [] })
    expect(up['migrations']).toMatchObject([
      {
        version: '00001',
        direction: 'up',
        status: 'success',
        steps: [{ title: 'docs create', state: 'done' }],
      },
      { version: '00002', status: 'success', error: null, backup: null },
    ])
    expect(up).not.toHaveProperty('error')
    expect((await text('up')).stdout).toMatch(/is at 00002; nothing is to be done\n$/)
    expect(await text('status', '--exit-code')).toMatchObject({ exitCode: 0 })

    const before = await find('docs')
    expect(await json(['down', '--dry-run'])).toMatchObject({
      dryRun: true,
      migrations: [{ status: 'planned' }],
    })
    expect((await find('docs'))?.id).toBe(before?.id)
    expect(await json(['redo'])).toMatchObject({ action: 'redo', to: '00002' })
    expect(await json(['rollback'])).toMatchObject({ action: 'down', from: '00002', to: '00001' })
    expect(await text('status', '--fail-on', 'pending')).toMatchObject({ exitCode: 3 })
    await json(['up'])

    const plan = await json(['complete'])
    expect(plan).toMatchObject({
      applied: false,
      collections: [{ version: '00002', kind: 'replaced', due: false }],
    })
    expect(await json(['complete', '--early', '--apply'])).toMatchObject({ applied: true })
    expect(await names()).toEqual(['chroma-ops.state', 'docs'])
    const { entries } = await json(['history', '2'])
    expect(entries).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ version: '00002', event: 'applied', actor: expect.any(String) }),
      ]),
    )
    const audit = await readFile(path.join(root, 'state', 'audit.jsonl'), 'utf8')
    expect(audit).toContain('"command":"migrate up"')
    expect(audit).toContain('"command":"migrate complete"')
  })

  test('at head the whole command sends three requests', async () => {
    const project = await newProject({ '00001_docs.ts': CREATE })
    await project.json(['up'])
    const proxy = await startFaultProxy({ target: chroma().url, decide: () => undefined })
    try {
      await runJson([...project.args('up'), '--url', proxy.url], 0)
      expect(proxy.requests.map(({ method, path: asked }) => `${method} ${asked}`)).toEqual([
        'GET /api/v2/heartbeat',
        expect.stringMatching(/^GET .*chroma-ops\.state$/),
        expect.stringMatching(/^POST .*\/get$/),
      ])
    } finally {
      await proxy.close()
    }
  })

  test('a plan file is applied as it is, or not at all', async () => {
    const { args, json, write, dir } = await newProject({ '00001_docs.ts': CREATE })
    const file = path.join(dir, 'plan.json')
    const made = await runCli(args('plan', '--out', file))
    expect(made.stdout).toContain(`chroma-ops migrate up --plan ${file} --dir ${dir} --url`)
    await write('00002_cosine.ts', COSINE)
    await expectFailure(args('up', '--plan', file), {
      exitCode: 15,
      code: 'PLAN_OUTDATED',
      message: 'it applies 00001, and 00001, 00002 is pending',
      hint: 'chroma-ops migrate plan --out',
    })
    expect(await json(['up', '1', '--plan', file])).toMatchObject({ to: '00001' })
  })

  test('two databases with the same names do not disturb each other', async () => {
    const one = await newProject({ '00001_docs.ts': CREATE })
    const other = await newProject({ '00001_docs.ts': CREATE, '00002_cosine.ts': COSINE })
    await one.json(['up'])
    await other.json(['up'])
    await other.json(['down', '--to', '0'])
    expect(await one.text('status', '--exit-code')).toMatchObject({ exitCode: 0 })
    expect(await one.names()).toEqual(['chroma-ops.state', 'docs'])
  })
})

describe('files and history that do not fit together', () => {
  test('wrong files are named with their line (2)', async () => {
    const { args } = await newProject({ '00001_docs.ts': `async up(m) {\n  await m.\n}` })
    await expectFailure(args('up'), { exitCode: 2, code: 'MIGRATION_FILE', message: '00001_docs.ts:' })
  })

  test('a changed file stops up (3) until it is repaired', async () => {
    const { args, json, write, text } = await newProject({ '00001_docs.ts': CREATE })
    await json(['up'])
    await write('00001_docs.ts', CREATE.replace('l2', 'cosine'))
    await expectFailure(args('up'), {
      exitCode: 3,
      code: 'CHECKSUM_CHANGED',
      message: '00001_docs.ts',
      hint: 'chroma-ops migrate repair --checksums --apply --dir',
    })
    expect(await text('status', '--fail-on', 'drift')).toMatchObject({ exitCode: 3 })
    expect(await json(['repair', '--checksums'])).toMatchObject({
      applied: false,
      actions: [{ version: '00001' }],
    })
    expect(await text('status', '--fail-on', 'drift')).toMatchObject({ exitCode: 3 })
    expect(await json(['repair', '--checksums', '--apply'])).toMatchObject({ applied: true })
    expect(await text('status', '--exit-code')).toMatchObject({ exitCode: 0 })
  })

  test('an older migration that is not applied stops up (3)', async () => {
    const { args, json } = await newProject({
      '00001_docs.ts': CREATE,
      '00002_owner.ts': OWNER,
      '00003_pages.ts': CREATE.replace('docs', 'pages'),
    })
    await json(['up'])
    await json(['repair', '--forget', '2', '--apply'])
    await expectFailure(args('up'), {
      exitCode: 3,
      code: 'OUT_OF_ORDER',
      message: '00002_owner is not applied, though 00003_pages is',
      hint: 'chroma-ops migrate up --exec-order non-linear',
    })
    expect(await json(['up', '--exec-order', 'non-linear'])).toMatchObject({
      migrations: [{ version: '00002', status: 'success' }],
    })
  })

  test('a collection that somebody made anew is drift', async () => {
    const { json, text, database, fill, find } = await newProject({ '00001_docs.ts': CREATE })
    await json(['up'])
    const docs = await find('docs')
    if (docs === undefined) throw new Error('no docs')
    await api().deleteCollection({ tenant, database, name: 'docs', id: docs.id })
    await fill('docs', 2)
    const run = await text('status', '--fail-on', 'drift')
    expect(run).toMatchObject({ exitCode: 3 })
    expect(run.stdout).toContain('COLLECTION_DRIFT')
  })
})

describe('what needs an approval or a decision', () => {
  test('a database with collections and no history (15), then baseline', async () => {
    const { args, json, fill } = await newProject({ '00001_docs.ts': CREATE, '00002_cosine.ts': COSINE })
    await fill('docs', 3)
    await expectFailure(args('up'), {
      exitCode: 15,
      code: 'NO_HISTORY',
      message: 'no history of migrations',
      hint: 'chroma-ops migrate baseline <version>',
    })
    expect(await json(['baseline', '1', '--dry-run'])).toMatchObject({ dryRun: true, versions: ['00001'] })
    expect(await json(['baseline', '1'])).toMatchObject({ dryRun: false, versions: ['00001'] })
    expect(await json(['up'])).toMatchObject({ from: '00001', to: '00002' })
  })

  test('a plan that up would refuse for want of a history ends as up would (15)', async () => {
    const { json, fill } = await newProject({ '00001_docs.ts': CREATE })
    await fill('notes', 1)
    expect(await json(['plan'], 15)).toMatchObject({ warnings: [{ code: 'NO_HISTORY' }] })
    expect(await json(['plan', '--adopt'])).toMatchObject({ warnings: [] })
  })

  test('what cannot be undone wants a repository (15); down --restore brings it back', async () => {
    const shout = `(record) => ({ ...record, document: 'SAME' })`
    const inPlace = `async up(m) { await m.collection('docs').transform(${shout}, { inPlace: true }) }`
    const { args, json, fill, find, database } = await newProject({ '00001_shout.ts': inPlace })
    await fill('docs', 5)
    const failure = { exitCode: 15, code: 'BACKUP_NEEDED', message: 'repo' }
    await expectFailure(args('up', '--adopt'), failure)
    expect(await json(['plan', '--adopt'], 15)).toMatchObject({
      backup: { needed: true, collections: ['docs'] },
    })
    const repo = ['--repo', path.join(root, `backups-${database}`)]
    await runJson(['repo', 'init', ...repo])
    const up = await json(['up', '--adopt', ...repo])
    expect(up).toMatchObject({ migrations: [{ backup: { id: expect.stringContaining('Z-') } }] })
    const texts = async () => {
      const docs = await find('docs')
      if (docs === undefined) throw new Error('no docs')
      const { documents } = await api().get(docs, { include: ['documents'] })
      return documents
    }
    expect(await texts()).toEqual(Array.from({ length: 5 }, () => 'SAME'))
    await expectFailure(args('down'), {
      exitCode: 15,
      code: 'IRREVERSIBLE',
      message: '00001',
      hint: `chroma-ops migrate down --restore --repo ${path.join(root, `backups-${database}`)} --dir`,
    })
    expect(await json(['down', '--restore', ...repo])).toMatchObject({ to: null })
    expect(await texts()).toEqual([0, 1, 2, 3, 4].map((at) => `document ${at}`))
  })

  test('a stamped production database is not taken back by accident (15)', async () => {
    const { args, json } = await newProject({ '00001_docs.ts': CREATE })
    await json(['up', '--env', 'production'])
    await expectFailure(args('up', '--env', 'staging'), {
      exitCode: 15,
      code: 'ENVIRONMENT_DIFFERS',
      message: 'stamped as production',
    })
    await expectFailure(args('down'), { exitCode: 15, code: 'PRODUCTION', message: 'production' })
    expect(await json(['down', '--yes-production'])).toMatchObject({ to: null })
  })

  test('a state of a newer release (16)', async () => {
    const { args, json, find } = await newProject({ '00001_docs.ts': CREATE })
    await json(['up'])
    const state = await find('chroma-ops.state')
    if (state === undefined) throw new Error('no state')
    const newer = new Map([...(state.metadata ?? []), ['chroma-ops:state', 99n] as const])
    await api().updateCollection(state, { newMetadata: newer })
    const failure = { exitCode: 16, code: 'MIGRATION_STATE_NEWER', message: 'newer chroma-ops' }
    await expectFailure(args('status'), failure)
    await expectFailure(args('up'), failure)
  })
})

describe('one that fails on the way', () => {
  const failing = (first: string) => `async up(m) {
    await m.collection('docs').setMetadata({ first: ${first} })
    await m.step('break', () => { throw new Error('no more paper') }, { down: () => {} })
  }`

  test('tells what was done and why it stopped, in one document (1); 17 when a finished step changed', async () => {
    const { args, json, text, write } = await newProject({
      '00001_docs.ts': CREATE,
      '00002_break.ts': failing('1'),
    })
    const flags = ['--no-backup']
    const document = await json(['up', ...flags], 1)
    expect(document).toMatchObject({
      to: '00001',
      migrations: [{ status: 'success' }, { status: 'error', error: { code: 'MIGRATION_FAILED' } }],
      error: {
        code: 'MIGRATION_FAILED',
        exitCode: 1,
        message: expect.stringContaining('no more paper'),
        hint: expect.stringContaining('"chroma-ops migrate abort --dir'),
      },
    })
    const again = await text('up', ...flags)
    expect(again.exitCode).toBe(1)
    expect(again.stdout).toContain('docs setMetadata   by an earlier run')
    expect(again.stderr).toContain('error: migration 00002_break failed at step 2')
    expect(await text('status', '--fail-on', 'dirty')).toMatchObject({ exitCode: 3 })
    await write('00002_break.ts', failing('2'))
    await expectJsonFailureOrResult(args('up', ...flags), 17, 'HISTORY_CHANGED')
    await write('00002_break.ts', failing('1'))
    expect(await json(['abort', '--dry-run'])).toMatchObject({ action: 'abort', dryRun: true })
    expect(await json(['abort'])).toMatchObject({ action: 'abort', to: '00001' })
    expect(await text('status', '--fail-on', 'dirty')).toMatchObject({ exitCode: 0 })
  })
})

/** A refusal, or a run that failed with it. */
async function expectJsonFailureOrResult(
  args: readonly string[],
  exitCode: number,
  code: string,
): Promise<void> {
  const document = await runJson(args, exitCode)
  expect(document).toMatchObject({ error: { code, exitCode } })
}

test('no secret is told, nor kept', async () => {
  const secret = 's3cr3t-t0ken'
  const broken = `async up(m) { await m.step('send', () => { throw new Error('refused: ${secret}') }, { down: () => {} }) }`
  const { args } = await newProject({ '00001_send.ts': broken })
  const run = await runCli(args('up', '--no-backup', '--verbose'), {
    environment: { CHROMA_OPS_TOKEN: secret },
  })
  expect(run.exitCode).toBe(1)
  expect(run.stdout + run.stderr).toContain('refused: ')
  expect(run.stdout + run.stderr).not.toContain(secret)
  const plan = await runCli(args('plan', '--json'), { environment: { CHROMA_OPS_TOKEN: secret } })
  expect(plan.stdout).not.toContain(secret)
})

test('the lock of somebody else is told (11), and taken away on demand', async () => {
  const { args, json, database } = await newProject({ '00001_docs.ts': CREATE })
  const { acquireLock } = await import('../../src/migrations/state/acquire-lock.js')
  const lock = await acquireLock({ api: api(), tenant, database, owner: 'ada', runId: 'abc', waitMs: 0 })
  try {
    await expectFailure(args('up', '--lock-wait', '0'), {
      exitCode: 11,
      code: 'MIGRATION_LOCKED',
      message: 'ada',
      hint: 'chroma-ops migrate unlock --lock-id',
    })
    expect(await json(['status'])).toMatchObject({ lock: { owner: 'ada', runId: 'abc' } })
    const seen = await json(['unlock'])
    expect(seen).toMatchObject({ removed: false, lock: { owner: 'ada' } })
    const wrong = { exitCode: 11, code: 'MIGRATION_LOCK_CHANGED', message: 'no lock' }
    await expectJsonFailure(args('unlock', '--lock-id', 'another', '--apply'), wrong)
    const id = idOf(seen['lock'])
    expect(await json(['unlock', '--lock-id', id, '--apply'])).toMatchObject({ removed: true })
    expect(await json(['up', '--lock-wait', '0'])).toMatchObject({ to: '00001' })
  } finally {
    await lock.release()
  }
})

function idOf(lock: unknown): string {
  if (typeof lock !== 'object' || lock === null || !('id' in lock)) throw new Error('no lock')
  return String(lock.id)
}
