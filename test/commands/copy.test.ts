import { EventEmitter } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { numberedBatch } from '../helpers/backups.js'
import { seedCollection, TENANT, twoServersForSuite } from '../helpers/copies.js'
import { startFaultProxy } from '../helpers/fault-proxy.js'
import { closeServer, listen } from '../helpers/http-server.js'
import { sampleBatch } from '../helpers/records.js'
import { collectionsOf } from '../helpers/restores.js'
import { documentOf, runCli } from '../helpers/run-cli.js'

const { chromas, from, to, database } = twoServersForSuite()
let home: string

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'chroma-ops-copy-command-'))
})
afterAll(() => rm(home, { recursive: true, force: true }))

const urls = () => ['--from-url', chromas[0]().url, '--to-url', chromas[1]().url]
const run = (name: string, ...args: readonly string[]) =>
  runCli(['copy', ...urls(), '--from-database', name, '--state-dir', home, ...args])

async function docs(rows = 30): Promise<string> {
  const name = await database()
  await seedCollection(from(), { database: name, name: 'docs' }, numberedBatch(rows))
  return name
}

describe('copy', () => {
  test('copies, says so, and writes an audit line', async () => {
    const name = await docs()
    const { exitCode, stdout } = await run(name)
    expect(stdout).toContain('every record compared with the source: equal')
    expect(stdout).toContain(`${TENANT}/${name}/docs: create, 30 records, 30 written`)
    expect(exitCode).toBe(0)
    const log = await readFile(path.join(home, 'audit.jsonl'), 'utf8')
    expect(log).toContain('"command":"copy"')
    expect(log).toContain(chromas[1]().url)
    expect(await run(name)).toMatchObject({
      exitCode: 15,
      stderr: expect.stringMatching(
        /--sync .* --mode replace, missing or overwrite, or another name with --rename/,
      ),
    })
  })

  test('--json is one document', async () => {
    const name = await docs()
    const result = documentOf(
      await run(name, '--to-database', `x-${name}`, '--rename', 'docs=papers', '--json'),
    )
    expect(result).toMatchObject({
      from: chromas[0]().url,
      to: chromas[1]().url,
      mode: 'create',
      sync: false,
      equal: true,
      records: 30,
      collections: [{ action: 'create', target: { database: `x-${name}`, name: 'papers' } }],
      exitCode: 0,
    })
  })

  test('--dry-run writes nothing and tells what would not fit, and what would change', async () => {
    const name = await database()
    const batch = numberedBatch(40)
    const documents = batch.ids.map((_, row) => (row < 25 ? 'x'.repeat(17_000) : 'short'))
    await seedCollection(from(), { database: name, name: 'docs' }, { ...batch, documents })
    const local = await run(name, '--dry-run', '--to-tenant', `new-${name}`)
    expect(local.stdout).toContain('nothing has been written')
    expect(local.stdout).toContain(`create tenant new-${name}`)
    expect(local.exitCode).toBe(0)
    const cloud = await run(name, '--dry-run', '--limits', 'cloud')
    expect(cloud.exitCode).toBe(3)
    expect(cloud.stdout).toContain(
      '25 records with documents of more than 16384 bytes (DOCUMENT_TOO_LARGE): r0, r1, r2 and 22 more',
    )
    expect(cloud.stdout).toContain('the hnsw index becomes spann, of which only the space is kept')
    const document = documentOf(await run(name, '--dry-run', '--limits', 'cloud', '--json'))
    expect(document).toMatchObject({
      dryRun: true,
      fits: false,
      limits: 'cloud',
      collections: [{ limits: { offenders: 25, findings: [{ count: 25 }] } }],
    })
    expect([...(await to().listDatabases(TENANT))]).not.toContain(name)
  })

  test('a plan that would be refused ends as the copy would', async () => {
    const name = await docs()
    await run(name)
    expect(await run(name, '--dry-run')).toMatchObject({
      exitCode: 15,
      stdout: expect.stringContaining('(COPY_TARGET_EXISTS)'),
    })
    expect(await run(name, '--dry-run', '--mode', 'overwrite')).toMatchObject({ exitCode: 0 })
  })

  test('--sync brings over what has changed, and without --delete deletes nothing', async () => {
    const name = await docs()
    await run(name)
    const source = (await collectionsOf(from(), name)).get('docs')
    if (source === undefined) throw new Error('no source')
    await from().deleteRecords(source, ['r1', 'r2'])
    await from().add(source, numberedBatch(3, 3, 'new'))
    expect(documentOf(await run(name, '--sync', '--json'))).toMatchObject({
      sync: true,
      written: 3,
      deleted: 0,
      exitCode: 0,
      collections: [{ action: 'sync', extra: 2, equal: false }],
    })
    const { stdout } = await run(name, '--sync', '--delete')
    expect(stdout).toContain('sync, 31 records, 0 written; 2 records deleted')
    expect(stdout).toContain('equal')
    const stranger = ['copy', ...urls(), '--from-database', name, '--state-dir', path.join(home, 'other')]
    expect(await runCli([...stranger, '--sync'])).toMatchObject({
      exitCode: 15,
      stderr: expect.stringContaining('--mode missing adds'),
    })
    expect(await runCli([...stranger, '--sync', '--mode', 'overwrite'])).toMatchObject({ exitCode: 0 })
  })

  test('a plan says how many records would be written over and deleted', async () => {
    const name = await docs()
    await run(name)
    const source = (await collectionsOf(from(), name)).get('docs')
    if (source === undefined) throw new Error('no source')
    await from().deleteRecords(source, ['r1', 'r2'])
    const plan = async (...args: readonly string[]) =>
      documentOf(await run(name, '--dry-run', '--json', ...args))
    const difference = { missing: 0, differing: 0, extra: 2 }
    expect(await plan('--sync')).toMatchObject({
      collections: [{ difference: { ...difference, deletes: 0 } }],
    })
    expect(await plan('--sync', '--delete')).toMatchObject({
      collections: [{ difference: { ...difference, deletes: 2 } }],
    })
    const { stdout } = await run(name, '--sync', '--delete', '--dry-run')
    expect(stdout).toMatch(/to delete\n.* sync +28 .* 30 +0 +2\n/)
  })

  test('what Chroma rounds is told', async () => {
    const name = await database()
    const configuration = new Map([['hnsw', new Map([['space', 'cosine']])]])
    await seedCollection(
      from(),
      { database: name, name: 'docs' },
      sampleBatch({ rows: 100, dimension: 16 }),
      {
        configuration,
      },
    )
    const { stdout } = await run(name)
    expect(stdout).toMatch(/equal but for rounding of [0-9]+ vectors/)
  })

  test('--sync to a collection that cannot take the records says why', async () => {
    const name = await docs()
    await to().createDatabase(TENANT, name)
    await seedCollection(to(), { database: name, name: 'docs' }, numberedBatch(3, 5))
    const { exitCode, stderr } = await run(name, '--sync')
    expect(stderr).toMatch(/has dimension 5, the source [0-9]+\n.*--mode replace without --sync/)
    expect(exitCode).toBe(15)
  })

  test.each(['k9', 'a b c'])('a database cannot be called %j', async (bad) => {
    expect(await run(await docs(1), '--to-database', bad)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(`there can be no database "${bad}"`),
    })
  })

  test('--read-only refuses, a plan does not', async () => {
    const name = await docs()
    expect(await run(name, '--read-only')).toMatchObject({ exitCode: 15 })
    expect(await run(name, '--read-only', '--dry-run')).toMatchObject({ exitCode: 0 })
  })
})

test('Ctrl-C stops it, leaves no half-made collection under a name, and the same command finishes', async () => {
  const name = await docs()
  const signals = new EventEmitter()
  let sent = false
  const proxy = await startFaultProxy({
    target: chromas[1]().url,
    decide: ({ path: requested }) => {
      if (!sent && requested.endsWith('/add')) sent = signals.emit('SIGINT')
      return undefined
    },
  })
  const args = ['copy', '--from-url', chromas[0]().url, '--to-url', proxy.url, '--from-database', name]
  const stopped = await runCli([...args, '--state-dir', home], { signals })
  expect(stopped.exitCode).toBe(130)
  expect(stopped.stderr).toContain('the same command continues them')
  expect([...(await collectionsOf(to(), name)).keys()]).toEqual([expect.stringMatching(/^docs\.restore-/)])
  expect(await runCli([...args, '--state-dir', home])).toMatchObject({ exitCode: 0 })
  await proxy.close()
  expect([...(await collectionsOf(to(), name)).keys()]).toEqual(['docs'])
})

describe('which servers', () => {
  test.each([
    [[], /no server is named to copy from/],
    [['--from-url', 'http://127.0.0.1:1'], /no server is named to copy to/],
    [['--url', 'http://127.0.0.1:1'], /--url is for one server/],
    [
      ['--from-url', 'http://a', '--from-cloud', '--to-url', 'http://b'],
      /--from-cloud and --from-url exclude/,
    ],
    [['--from-cloud', '--to-url', 'http://b'], /--from-cloud needs to know the tenant/],
    [['--from-url', 'http://a', '--to-url', 'http://b', '--delete'], /--delete goes with --sync/],
    [['--from-url', 'http://a', '--to-url', 'http://b', '--sync', '--mode', 'replace'], /--sync changes/],
    [
      ['--from-url', 'http://a', '--to-url', 'http://b', '--to-tenant', 'a', '--to-tenant', 'b'],
      /--to-tenant takes one/,
    ],
    [['--from-url', 'http://a', '--to-url', 'http://b', '--rename', 'x'], /a=b/],
  ])('%j is refused', async (args, message) => {
    const { exitCode, stderr } = await runCli(['copy', ...args])
    expect(stderr).toMatch(message)
    expect(exitCode).toBe(2)
  })

  test('onto itself is a mistake', async () => {
    const name = await docs()
    const url = chromas[0]().url
    const { exitCode, stderr } = await runCli([
      ...[
        'copy',
        '--from-url',
        url,
        '--to-url',
        url.replace('127.0.0.1', 'localhost'),
        '--from-database',
        name,
      ],
    ])
    expect(stderr).toContain('would be copied onto itself')
    expect(exitCode).toBe(2)
  })

  test('two profiles', async () => {
    const name = await docs(5)
    const config = path.join(home, 'two.yaml')
    await writeFile(
      config,
      `profiles:\n  old: { url: "${chromas[0]().url}", database: ${name} }\n  new: { url: "${chromas[1]().url}", database: ${name}-2 }\n`,
    )
    const profiles = ['--config', config, '--from-profile', 'old', '--to-profile', 'new']
    expect(documentOf(await runCli(['copy', ...profiles, '--state-dir', home, '--json']))).toMatchObject({
      records: 5,
      collections: [{ target: { database: `${name}-2` } }],
    })
  })

  test('the target is not taken from the environment', async () => {
    const environment = { CHROMA_OPS_FROM_URL: chromas[0]().url, CHROMA_OPS_TO_URL: chromas[1]().url }
    const name = await docs(2)
    const args = ['copy', '--from-database', name]
    expect(await runCli(args, { environment })).toMatchObject({
      exitCode: 15,
      stderr: expect.stringContaining('give --to-url'),
    })
    expect(await runCli([...args, '--dry-run'], { environment })).toMatchObject({ exitCode: 0 })
  })

  test('each server gets its own credentials and no others', async () => {
    const seen = { from: new Set<string>(), to: new Set<string>() }
    const watch = (side: 'from' | 'to') =>
      createServer((request: IncomingMessage, response) => {
        seen[side].add(JSON.stringify([request.headers.authorization, request.headers['x-chroma-token']]))
        const ok = request.url?.endsWith('/heartbeat') === true && side === 'from'
        response.writeHead(ok ? 200 : 401, { 'content-type': 'application/json' })
        response.end(ok ? '{"nanosecond heartbeat":1}' : '{"error":"AuthError","message":"no"}')
      })
    const servers = { from: watch('from'), to: watch('to') }
    const ports = { from: await listen(servers.from), to: await listen(servers.to) }
    const { exitCode, stdout, stderr } = await runCli(
      ['copy', '--from-url', `http://127.0.0.1:${ports.from}`, '--to-url', `http://127.0.0.1:${ports.to}`],
      {
        environment: {
          CHROMA_OPS_TOKEN: 'for-one-server',
          CHROMA_API_KEY: 'for-the-cloud',
          CHROMA_OPS_FROM_TOKEN: 'from-secret',
          CHROMA_OPS_TO_TOKEN: 'to-secret',
        },
      },
    )
    await Promise.all([closeServer(servers.from), closeServer(servers.to)])
    expect(exitCode).toBe(14)
    expect([...seen.from]).toEqual(['["Bearer from-secret",null]'])
    expect([...seen.to]).toEqual(['["Bearer to-secret",null]'])
    expect(stdout + stderr).not.toMatch(/secret|for-one|for-the/)
    expect(stderr).toContain('--to-token-file, or --to-header')
  })

  test('hints name the flags of the server that they are about, also when it refuses later', async () => {
    const name = await docs(1)
    const proxy = await startFaultProxy({
      target: chromas[0]().url,
      decide: ({ path: requested }) =>
        requested.endsWith('/collections') || requested.includes('/collections?')
          ? { kind: 'status', status: 401 }
          : undefined,
    })
    const { exitCode, stderr } = await runCli([
      ...['copy', '--from-url', proxy.url, '--to-url', chromas[1]().url, '--from-database', name],
    ])
    await proxy.close()
    expect(stderr).toContain('--from-token-file or --to-token-file, or --from-header or --to-header')
    expect(exitCode).toBe(14)
  })
})
