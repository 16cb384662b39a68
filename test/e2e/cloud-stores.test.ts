import { afterEach, beforeAll, describe, expect, test } from '@jest/globals'

import { chromaForSuite } from '../helpers/chroma-server.js'
import { FakeAzure } from '../helpers/fake-azure.js'
import { FakeGcs } from '../helpers/fake-gcs.js'
import type { Fault } from '../helpers/fake-s3.js'
import { firstTimes } from '../helpers/fake-service.js'
import { expectFailure, runJson } from '../helpers/outcomes.js'
import { sampleBatch } from '../helpers/records.js'
import { withApi } from '../helpers/restores.js'
import { runCli } from '../helpers/run-cli.js'
import { dropCollections, expectSameContents, serverContents } from '../helpers/server-contents.js'
import { seedServer } from '../helpers/server-seeds.js'

const quick = ['--retry-base-delay', '5ms', '--retry-max-delay', '50ms']
const chroma = chromaForSuite()
const home = { tenant: 'default_tenant', database: 'default_database', metadata: null, space: 'l2' } as const
const cleanUps: (() => Promise<void>)[] = []

beforeAll(async () => {
  const seeds = ['docs', 'images'].map((name, number) => ({
    ...home,
    name,
    records: sampleBatch({ rows: [300, 150][number] ?? 0, dimension: 12, first: 1000 * number }),
  }))
  await withApi(chroma().url, (api) => seedServer(api, seeds))
})

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

/** A fake service, and what a command line needs for it. */
interface Cloud {
  readonly inflict: (fault: (request: { readonly method: string }) => Fault | null) => void
  readonly flags: readonly string[]
  readonly host: { readonly environment: Readonly<Record<string, string>> }
  readonly stored: ReadonlyMap<string, unknown>
}

async function azure(): Promise<Cloud> {
  const fake = await FakeAzure.start()
  cleanUps.push(() => fake.stop())
  return {
    inflict: (fault) => (fake.fault = fault),
    flags: ['--repo', 'azblob://backups/chroma/prod', '--endpoint-url', fake.endpoint, ...quick],
    host: { environment: { AZURE_STORAGE_KEY: fake.accountKey } },
    stored: fake.blobs(),
  }
}

async function gcs(): Promise<Cloud> {
  const fake = await FakeGcs.start()
  cleanUps.push(() => fake.stop())
  return {
    inflict: (fault) => (fake.fault = fault),
    flags: ['--repo', 'gs://bucket/chroma/prod', ...quick],
    host: { environment: { CHROMA_OPS_GCS_ENDPOINT_URL: fake.endpoint } },
    stored: fake.objects(),
  }
}

describe.each([
  ['azure', azure],
  ['gcs', gcs],
] as const)('%s', (_name, open) => {
  test('back up, verify, list, restore: the records are the same', async () => {
    const { inflict, flags, host, stored } = await open()
    const before = await serverContents(chroma().url)
    inflict(firstTimes(3, { kind: 'lose-answer' }, ({ method }) => method !== 'GET'))
    await runJson(['backup', '--url', chroma().url, '--init', ...flags], 0, host)
    expect([...stored.keys()].every((key) => key.startsWith('chroma/prod/'))).toBe(true)
    await runJson(['backup', 'verify', ...flags], 0, host)
    await dropCollections(chroma().url)
    await runJson(['restore', 'latest', '--url', chroma().url, ...flags], 0, host)
    expectSameContents(await serverContents(chroma().url), before)
  })

  test('repo check finds every promise kept, and --verbose tells the traffic', async () => {
    const { flags, host } = await open()
    await runJson(['repo', 'init', ...flags], 0, host)
    const { exitCode, stderr } = await runCli(
      ['repo', 'check', '--verbose', '--limit-upload', '100MiB', ...flags],
      host,
    )
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 0,
      stderr: expect.stringMatching(/store: 8\.\d+ MiB sent, 8\.\d+ MiB received/),
    })
  })

  test('credentials that expire in the middle: 14, and nothing counts as a backup', async () => {
    const { inflict, flags, host } = await open()
    await runJson(['repo', 'init', ...flags], 0, host)
    let writes = 0
    inflict(({ method }) =>
      method !== 'GET' && ++writes > 3
        ? { kind: 'status', status: 401, code: 'InvalidAuthenticationInfo' }
        : null,
    )
    await expectFailure(
      ['backup', '--url', chroma().url, ...flags],
      {
        exitCode: 14,
        code: 'STORE_ACCESS',
        message: '401',
      },
      host,
    )
    inflict(() => null)
    expect(await runJson(['backup', 'list', ...flags], 0, host)).toMatchObject({ backups: [] })
  })
})
