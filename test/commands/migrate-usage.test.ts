import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { MigrateHints } from '../../src/commands/migrate-hints.js'
import { Settings } from '../../src/config/settings.js'
import { UsageError } from '../../src/core/errors.js'
import { expectFailure } from '../helpers/outcomes.js'

const nowhere = ['--url', 'http://127.0.0.1:9']
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-migrate-usage-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

describe('before anything is contacted', () => {
  test.each([
    [['up', '1', '--to', '7'], 'give a number or --to, not both'],
    [['plan', '1', '--to', '7'], 'give a number or --to, not both'],
    [['down', '2', '--to', '7'], 'give a number or --to, not both'],
    [['up', 'all'], '"all" is not a whole number'],
    [['up', '--to', 'latest'], '--to: "latest" is not the version of a migration'],
    [['up', '--lock-wait', '5'], '--lock-wait: "5" is not a duration'],
    [['up', '--plan', '/no/such/plan.json'], '--plan: ENOENT'],
    [['up', '--exec-order', 'any'], 'is invalid'],
    [['status', '--fail-on', 'pending,dirt'], '--fail-on: "dirt" is not a condition'],
    [['repair'], 'repair does one thing at a time'],
    [['repair', '--checksums', '--forget', '7'], 'repair does one thing at a time'],
    [['unlock', '--apply'], '--apply needs --lock-id'],
    [['status', '--database', 'a', '--database', 'b'], 'migrations are about one database'],
    [['status', '--tenant', 'a', '--tenant', 'b'], 'migrations are about one database'],
    [['upp'], "unknown command 'upp'"],
  ])('%j is refused', async (words, message) => {
    await expectFailure(['migrate', ...words, ...nowhere], { exitCode: 2, code: 'USAGE', message })
  })

  test.each([
    [['up']],
    [['down']],
    [['rollback']],
    [['redo']],
    [['resume']],
    [['abort']],
    [['complete', '--apply']],
    [['repair', '--checksums', '--apply']],
    [['baseline']],
    [['unlock', '--lock-id', 'abc', '--apply']],
  ])('%j is refused with --read-only', async (words) => {
    const failure = { exitCode: 15, code: 'READ_ONLY', message: 'is refused by --read-only' }
    await expectFailure(['migrate', ...words, ...nowhere, '--read-only'], failure)
  })

  test('no server is named', async () => {
    await expectFailure(['migrate', 'status'], { exitCode: 2, code: 'USAGE', message: 'no server is named' })
  })

  test('a configuration file that others can write cannot name the code that is run', async () => {
    const file = path.join(folder, 'chroma-ops.config.yaml')
    await writeFile(file, 'migrations:\n  dir: elsewhere\n')
    await chmod(file, 0o666)
    const failure = { exitCode: 2, code: 'CONFIG_FILE', message: 'set migrations.dir' }
    await expectFailure(['migrate', 'status', ...nowhere], failure, { cwd: folder })
  })
})

describe('hints', () => {
  const texts = { '--url': 'http://x:8000', '--database': 'one', '--repo': 'my backups' }
  const flags = new Map(Object.entries(texts).map(([name, text]) => [name, [text]]))
  const hints = new MigrateHints(new Settings({ flags, environment: {}, file: null }), {
    dir: "./ops'",
    env: 'staging',
  })

  test('have what the next command needs', () => {
    expect(hints.command('migrate abort')).toBe(
      `chroma-ops migrate abort --dir './ops'\\''' --env staging --url http://x:8000 --database one`,
    )
    expect(hints.text('go on with "chroma-ops migrate up", or see "chroma-ops repo check"')).toBe(
      `go on with "chroma-ops migrate up --dir './ops'\\''' --env staging --repo 'my backups' --url http://x:8000 --database one", ` +
        `or see "chroma-ops repo check --repo 'my backups'"`,
    )
  })

  test.each([
    ['chroma-ops migrate up goes on', '"chroma-ops migrate up --dir'],
    ['run: chroma-ops migrate repair --forget 00007 --apply', 'migrate repair --forget 00007 --apply --dir'],
    [
      'chroma-ops migrate unlock --lock-id 3c24d9ea-9944-48d9-ac16-7e7cfc15d3bb --apply',
      '"chroma-ops migrate unlock --lock-id 3c24d9ea-9944-48d9-ac16-7e7cfc15d3bb --apply --dir',
    ],
    [
      'or: chroma-ops migrate unlock --lock-id b44fad2d-c6dd-425b-8a15-bcf7a9936f55 --apply; then wait',
      'migrate unlock --lock-id b44fad2d-c6dd-425b-8a15-bcf7a9936f55 --apply --dir',
    ],
    ['wait with --lock-wait 5m, or chroma-ops migrate abort, then', '"chroma-ops migrate abort --dir'],
  ])('of "%s" too', (hint, part) => {
    const complete = hints.text(hint)
    expect(complete).toContain(part)
    expect(complete).toMatch(/--database one"( goes on|; then wait|, then)?$/)
    expect(hints.text(complete)).toBe(complete)
  })

  test('are completed once', () => {
    const error = new UsageError('broken', { hint: 'see "chroma-ops migrate status"' })
    const once = hints.error(error)
    expect(once.hint).toContain('--database one')
    expect(hints.error(once).hint).toBe(once.hint)
  })
})
