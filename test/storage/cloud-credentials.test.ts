import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { connectAzure } from '../../src/storage/azure-client.js'
import { SDK_VERSIONS } from '../../src/storage/load-sdk.js'
import { createAuthority } from '../helpers/certificates.js'
import { startConnectProxy } from '../helpers/connect-proxy.js'
import { FakeAzure } from '../helpers/fake-azure.js'
import { FakeGcs } from '../helpers/fake-gcs.js'
import { bytes, text } from './conformance-subject.js'
import { startAzure, startGcs } from './cloud-under-test.js'

const cleanUps: (() => Promise<void>)[] = []
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-'))
})
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
  await rm(folder, { recursive: true, force: true })
})

interface Job {
  readonly url: string
  /** Of openStore. */
  readonly options: object
  readonly proxyPort?: number
  readonly env?: Readonly<Record<string, string>>
  /** Packages that cannot be found. */
  readonly hide?: readonly string[]
}

/** The result of a write and a read in a process of its own, for what Node and the SDKs read at their start. */
async function inProcess({ url, options, proxyPort, env = {}, hide = [] }: Job): Promise<unknown> {
  const hooks = `export async function resolve(name, context, next) {
    if (${JSON.stringify(hide)}.includes(name))
      throw Object.assign(new Error('Cannot find package ' + name), { code: 'ERR_MODULE_NOT_FOUND' })
    return next(name, context)
  }`
  const proxy = `proxy: () => ({ secure: false, host: '127.0.0.1', port: ${proxyPort ?? 0}, displayUrl: 'the proxy', authorization: null }),`
  const source = `
    import { register } from 'node:module'
    register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)})
    const { openStore } = await import('./src/storage/open-store.ts')
    const once = { maxRetries: 0 }
    try {
      const store = await openStore(${JSON.stringify(url)}, {
        ...${JSON.stringify(options)},
        ${proxyPort === undefined ? '' : proxy}
        retry: { firstContact: once, batch: once },
      })
      await store.put('k', Buffer.from('value'))
      const { bytes } = await store.get('k')
      console.log(JSON.stringify({ value: Buffer.from(bytes).toString() }))
      await store.close()
    } catch (error) {
      const { code, exitCode, hint, message } = error.lastError ?? error
      console.log(JSON.stringify({ code, exitCode, hint, message }))
    }`
  const child = spawn(
    process.execPath,
    ['--import', './test/helpers/run-typescript.js', '--input-type=module', '--eval', source],
    {
      env: { PATH: process.env['PATH'], HOME: folder, METADATA_SERVER_DETECTION: 'none', ...env },
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
  return JSON.parse(Buffer.concat(await child.stdout.toArray()).toString())
}

async function failure(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  )
}

describe('an SDK that is not installed', () => {
  test.each([
    ['gs://bucket', '@google-cloud/storage', {}],
    [
      'azblob://acme1.blob.core.windows.net/backups',
      '@azure/storage-blob',
      { azure: { accountKey: 'eA==' } },
    ],
    ['azblob://acme1.blob.core.windows.net/backups', '@azure/identity', {}],
  ] as const)('%s: 16, with the command that installs %s', async (url, name, options) => {
    expect(await inProcess({ url, options, hide: [name] })).toMatchObject({
      code: 'STORE_UNSUPPORTED',
      exitCode: 16,
      message: expect.stringContaining(name),
      hint: expect.stringContaining(`npm install '${name}@${SDK_VERSIONS[name]}'`),
    })
  })

  test('the versions are those of package.json', async () => {
    const file = await readFile(new URL('../../package.json', import.meta.url), 'utf8')
    expect(JSON.parse(file)).toMatchObject({ peerDependencies: SDK_VERSIONS })
  })
})

describe('Azure', () => {
  test.each([
    ['a connection string', ({ connectionString }: FakeAzure) => ({ connectionString })],
    [
      'an account and its key',
      ({ endpoint, account, accountKey }: FakeAzure) => ({ endpointUrl: endpoint, account, accountKey }),
    ],
    [
      'a key, with the account in the endpoint',
      ({ endpoint, accountKey }: FakeAzure) => ({ endpointUrl: endpoint, accountKey }),
    ],
  ])('%s', async (_name, options) => {
    const cloud = await startAzure({}, {}, options)
    cleanUps.push(() => cloud.stop())
    await cloud.store.put('a', bytes('value'))
    expect(text((await cloud.store.get('a')).bytes)).toBe('value')
  })

  const sasToken = 'sv=2025-01-05&se=2099-01-01T00:00:00Z&sp=rwdl&sig=a%2Bsecret%3D'

  test('a SAS token, which no message repeats', async () => {
    const cloud = await startAzure({}, { sasToken }, ({ endpoint }) => ({
      endpointUrl: endpoint,
      sasToken: `?${sasToken}`,
    }))
    await cloud.store.put('a', bytes('value'))
    expect(text((await cloud.store.get('a')).bytes)).toBe('value')
    await cloud.stop()
    const error = await failure(cloud.store.get('a'))
    expect(String(error)).toContain('ECONNREFUSED')
    expect(JSON.stringify([error, String(Reflect.get(Object(error), 'cause'))])).not.toContain('secret')
  })

  test.each([
    ['an expired SAS token', sasToken.replace('2099', '2020'), {}, 'renew the SAS token'],
    ['a wrong key', undefined, { accountKey: 'eA==' }, 'check the account key'],
  ])('%s: 14', async (_name, token, options, hint) => {
    const cloud = await startAzure({}, token === undefined ? {} : { sasToken: token }, ({ endpoint }) => ({
      endpointUrl: endpoint,
      sasToken: token,
      ...options,
    }))
    cleanUps.push(() => cloud.stop())
    expect(await failure(cloud.store.put('a', bytes('x')))).toMatchObject({
      code: 'STORE_ACCESS',
      exitCode: 14,
      hint: expect.stringContaining(hint),
    })
  })

  test('a clock that is off: 14, which says so', async () => {
    const cloud = await startAzure({}, { clockAheadMs: 3_600_000 })
    cleanUps.push(() => cloud.stop())
    expect(await failure(cloud.store.put('a', bytes('x')))).toMatchObject({
      exitCode: 14,
      hint: expect.stringContaining("set this machine's clock"),
    })
  })

  const location = { host: null, container: 'backups', prefix: '' }
  test.each([
    ['no account', location, { accountKey: 'eA==' }, 'AZURE_STORAGE_ACCOUNT'],
    ['no connection string at all', location, { connectionString: 'AccountKey=secret' }, 'copy it again'],
    [
      'another account than the connection string’s',
      { ...location, host: 'other.blob.core.windows.net' },
      {
        connectionString:
          'DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=eA==;EndpointSuffix=core.windows.net',
      },
      'correct the address',
    ],
  ])('%s: 2', async (_name, place, options, hint) => {
    expect(await failure(connectAzure(options, place))).toMatchObject({
      exitCode: 2,
      hint: expect.stringContaining(hint),
      message: expect.not.stringContaining('secret'),
    })
  })
})

describe('Google Cloud Storage', () => {
  test('without credentials on a service that wants them: 14', async () => {
    const cloud = await startGcs({}, { token: 'right' })
    cleanUps.push(() => cloud.stop())
    expect(await failure(cloud.store.put('a', bytes('x')))).toMatchObject({
      exitCode: 14,
      hint: expect.stringContaining('GOOGLE_APPLICATION_CREDENTIALS'),
    })
  })

  test('no credentials to be found: 14', async () => {
    const fake = await FakeGcs.start()
    cleanUps.push(() => fake.stop())
    const options = { gcs: { endpointUrl: fake.endpoint, anonymous: false } }
    expect(await inProcess({ url: 'gs://bucket', options })).toMatchObject({
      code: 'STORE_ACCESS',
      exitCode: 14,
      hint: expect.stringContaining('GOOGLE_APPLICATION_CREDENTIALS'),
    })
  })

  test('a key file that cannot be read: 14', async () => {
    const file = path.join(folder, 'none.json')
    const fake = await FakeGcs.start()
    cleanUps.push(() => fake.stop())
    const options = { gcs: { endpointUrl: fake.endpoint, keyFile: file } }
    expect(await inProcess({ url: 'gs://bucket', options })).toMatchObject({ exitCode: 14 })
  })
})

describe('https with a private authority', () => {
  test.each(['azure', 'gcs'] as const)('%s: with NODE_EXTRA_CA_CERTS, also through a proxy', async (kind) => {
    const authority = createAuthority()
    const tls = authority.server(['127.0.0.1'])
    const ca = path.join(folder, 'ca.pem')
    await writeFile(ca, authority.ca)
    const proxy = await startConnectProxy()
    const fake = kind === 'azure' ? await FakeAzure.start({ tls }) : await FakeGcs.start({ tls })
    cleanUps.push(
      () => proxy.close(),
      () => fake.stop(),
    )
    const job =
      fake instanceof FakeAzure
        ? { url: 'azblob://backups/p', options: { azure: { connectionString: fake.connectionString } } }
        : { url: 'gs://bucket/p', options: { gcs: { endpointUrl: fake.endpoint } } }
    const trusting = { ...job, env: { NODE_EXTRA_CA_CERTS: ca } }
    const [direct, tunnelled, distrusting] = await Promise.all([
      inProcess(trusting),
      inProcess({ ...trusting, proxyPort: Number(new URL(proxy.url).port) }),
      inProcess(job),
    ])
    expect([direct, tunnelled]).toEqual([{ value: 'value' }, { value: 'value' }])
    expect(proxy.tunnels).toHaveLength(1)
    expect(distrusting).toMatchObject({ exitCode: 14, hint: expect.stringContaining('NODE_EXTRA_CA_CERTS') })
  })
})
