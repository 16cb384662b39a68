import { expect, test } from '@jest/globals'

import { restoreBackup } from '../../src/backup/restore-backup.js'
import { ChromaApi } from '../../src/chroma/api.js'
import { connectTransport } from '../../src/chroma/connect.js'
import { collectionOf, numberedBatch, recordedProgress } from '../helpers/backups.js'
import { startChroma } from '../helpers/chroma-server.js'
import { startFaultProxy, type Fault, type ProxiedRequest } from '../helpers/fault-proxy.js'
import { backupOf, collectionsOf, restoreJob, withApi } from '../helpers/restores.js'

const docs = collectionOf('docs', [numberedBatch(200, 8)], { metadata: new Map([['kind', 'docs']]) })
const other = collectionOf('other', [numberedBatch(50, 8)])

test('lost answers, resets, 429 and 503, delays, doubled and garbled answers: the result is the same', async () => {
  const backup = await backupOf([docs, other])
  const chroma = await startChroma()
  const faults: Fault[] = [
    { kind: 'reset', when: 'after' },
    { kind: 'reset', when: 'before' },
    { kind: 'status', status: 429, retryAfter: '0' },
    { kind: 'status', status: 503 },
    { kind: 'delay', ms: 20 },
    { kind: 'duplicate' },
    { kind: 'cut', bytes: 1, framing: 'length' },
    { kind: 'garble', part: 'body' },
  ]
  // Two of three requests go wrong, changes as well as reads; a repeated request may go wrong again.
  const decide = ({ index }: ProxiedRequest) => (index % 3 === 0 ? undefined : faults[index % faults.length])
  const proxy = await startFaultProxy({
    target: chroma.url,
    decide: (request) => (isFirstContact(request) ? undefined : decide(request)),
  })
  const transport = await connectTransport({ url: proxy.url, retry: { baseDelayMs: 1, maxRetries: 20 } })
  try {
    const summary = await restoreBackup(restoreJob(backup, new ChromaApi(transport), {}))
    expect(summary).toMatchObject({ equal: true, records: 250 })
    expect(proxy.faults).toBeGreaterThan(10)
    await withApi(chroma.url, async (api) => {
      const found = await collectionsOf(api)
      expect([...found.keys()].sort()).toEqual(['docs', 'other'])
      expect(found.get('docs')?.metadata).toEqual(docs.definition.metadata)
    })
  } finally {
    await transport.close()
    await proxy.close()
    await chroma.stop()
  }
})

test.each([
  ['records are written', /\/add$/],
  ['a collection is made', /\/collections$/],
  ['a collection gets its name', /\/collections\/[0-9a-f-]{36}$/],
])('a server that dies while %s, and comes back, is waited for', async (_, url) => {
  const backup = await backupOf([docs, other])
  const chroma = await startChroma()
  let restarts = 0
  const decide = async ({ method, path }: ProxiedRequest): Promise<undefined> => {
    if (method === 'GET' || !url.test(path) || restarts > 0) return
    restarts++
    await chroma.kill()
    void chroma.restart()
  }
  const proxy = await startFaultProxy({ target: chroma.url, decide })
  const transport = await connectTransport({ url: proxy.url, retry: { baseDelayMs: 50, maxDelayMs: 500 } })
  try {
    const summary = await restoreBackup(restoreJob(backup, new ChromaApi(transport)))
    expect(summary).toMatchObject({ equal: true, records: 250 })
    expect(restarts).toBe(1)
  } finally {
    await transport.close()
    await proxy.close()
    await chroma.stop()
  }
})

test('a swap of which the second half fails is taken back: the live name is there again', async () => {
  const backup = await backupOf([docs])
  const chroma = await startChroma()
  let renames = 0
  const decide = ({ method, body }: ProxiedRequest): Fault | undefined =>
    method === 'PUT' && body.includes('"new_name"') && ++renames === 2
      ? { kind: 'status', status: 400, body: '{"error":"InvalidArgumentError","message":"no"}' }
      : undefined
  const proxy = await startFaultProxy({ target: chroma.url, decide })
  try {
    await withApi(proxy.url, async (api) => {
      await restoreBackup(restoreJob(await backupOf([docs]), api))
      const live = (await collectionsOf(api)).get('docs')
      renames = 0
      const job = restoreJob(backup, api, { mode: 'replace' })
      await expect(restoreBackup(job)).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
      const found = await collectionsOf(api)
      expect(found.get('docs')?.id).toBe(live?.id)
      expect([...found.keys()].filter((name) => name.includes('.replaced-'))).toEqual([])
      expect(await restoreBackup(job)).toMatchObject({ equal: true, written: 0 })
    })
  } finally {
    await proxy.close()
    await chroma.stop()
  }
})

test('a server that does not come back: 12, and the next run finishes', async () => {
  const backup = await backupOf([docs, other])
  const chroma = await startChroma()
  let adds = 0
  const decide = async ({ path }: ProxiedRequest): Promise<undefined> => {
    if (path.endsWith('/add') && adds++ === 1) await chroma.kill()
  }
  const proxy = await startFaultProxy({ target: chroma.url, decide })
  const transport = await connectTransport({ url: proxy.url, retry: { maxRetries: 2, baseDelayMs: 1 } })
  const progress = recordedProgress()
  try {
    const job = restoreJob(backup, new ChromaApi(transport), { progress })
    await expect(restoreBackup(job)).rejects.toMatchObject({ exitCode: 12 })
    await chroma.restart()
    await withApi(chroma.url, async (api) => {
      const left = [...(await collectionsOf(api)).keys()]
      expect(left.filter((name) => !name.includes('.restore-'))).toEqual([])
      expect(left).not.toEqual([])
      const warning = progress.warnings.find(({ code }) => code === 'RESTORE_UNFINISHED')
      for (const name of left) expect(warning?.message).toContain(`default_tenant/default_database/${name}`)
      const summary = await restoreBackup(restoreJob(backup, api))
      expect(summary).toMatchObject({ equal: true, records: 250, written: 50 })
    })
  } finally {
    await transport.close()
    await proxy.close()
    await chroma.stop()
  }
})

function isFirstContact({ path }: ProxiedRequest): boolean {
  return /\/(heartbeat|version|openapi\.json)$/.test(path)
}
