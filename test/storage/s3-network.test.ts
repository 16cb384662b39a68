import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { openStore } from '../../src/storage/open-store.js'
import type { Endpoint, ProxyChoice, StoreProxy } from '../../src/storage/tunnel-agent.js'
import { createAuthority } from '../helpers/certificates.js'
import { startConnectProxy } from '../helpers/connect-proxy.js'
import { FakeS3 } from '../helpers/fake-s3.js'
import { bytes, text } from './conformance-subject.js'

const cleanUps: (() => Promise<void>)[] = []
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-'))
})
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
  await rm(folder, { recursive: true, force: true })
})

async function startFake(options = {}): Promise<FakeS3> {
  const fake = await FakeS3.start(options)
  cleanUps.push(() => fake.stop())
  return fake
}

function proxyAt(url: string, authorization: string | null = null): StoreProxy {
  return { secure: false, host: '127.0.0.1', port: Number(new URL(url).port), displayUrl: url, authorization }
}

/** The result of a write and a read in a process of its own, for what Node and the SDK read from the environment at their start. */
async function inProcess(job: {
  url: string
  endpointUrl?: string
  proxy?: StoreProxy
  env: Record<string, string>
}): Promise<unknown> {
  const { url, endpointUrl, proxy = null, env } = job
  const source = `
    import { openStore } from './src/storage/open-store.ts'
    const once = { maxRetries: 0 }
    try {
      const store = await openStore(${JSON.stringify(url)}, {
        s3: ${JSON.stringify({ endpointUrl })},
        ${proxy === null ? '' : `proxy: () => (${JSON.stringify(proxy)}),`}
        retry: { firstContact: once, batch: once },
      })
      await store.put('k', Buffer.from('value'))
      const { bytes } = await store.get('k')
      console.log(JSON.stringify({ value: Buffer.from(bytes).toString() }))
      await store.close()
    } catch (error) {
      const { code, exitCode, hint } = error.lastError ?? error
      console.log(JSON.stringify({ code, exitCode, hint }))
    }`
  const child = spawn(
    process.execPath,
    ['--import', './test/helpers/run-typescript.js', '--input-type=module', '--eval', source],
    {
      env: { PATH: process.env['PATH'], HOME: folder, AWS_EC2_METADATA_DISABLED: 'true', ...env },
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
  return JSON.parse(Buffer.concat(await child.stdout.toArray()).toString())
}

function environmentOf({ credentials }: FakeS3): Record<string, string> {
  const { accessKeyId, secretAccessKey } = credentials
  return { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_REGION: 'us-east-1' }
}

describe('a proxy', () => {
  async function openThrough(fake: FakeS3, proxy: ProxyChoice) {
    const store = await openStore('s3://bucket', {
      s3: { endpointUrl: fake.endpoint, credentials: fake.credentials },
      proxy,
      retry: { firstContact: { maxRetries: 0 } },
    })
    cleanUps.push(() => store.close())
    return store
  }

  test('carries every request through kept tunnels, with its password', async () => {
    const fake = await startFake()
    const proxy = await startConnectProxy({ credentials: 'user:password' })
    cleanUps.push(() => proxy.close())
    const authorization = `Basic ${Buffer.from('user:password').toString('base64')}`
    const store = await openThrough(fake, () => proxyAt(proxy.url, authorization))
    for (let at = 0; at < 5; at++) await store.put(`k${at}`, Buffer.alloc(100_000, at))
    expect(fake.objects().size).toBe(5)
    expect(proxy.tunnels).toEqual([new URL(fake.endpoint).host])
  })

  test('is not used for endpoints that it is not chosen for', async () => {
    const fake = await startFake()
    const asked: Endpoint[] = []
    const store = await openThrough(fake, (endpoint) => {
      asked.push(endpoint)
      return null
    })
    await store.put('k', bytes('value'))
    expect(text((await store.get('k')).bytes)).toBe('value')
    expect(asked).toEqual([{ secure: false, host: '127.0.0.1', port: Number(new URL(fake.endpoint).port) }])
  })

  test.each([
    ['wants another password', { credentials: 'user:password' }, '407'],
    ['refuses the tunnel', { refuse: 403 }, '403'],
  ])('that %s is named', async (_name, options, status) => {
    const fake = await startFake()
    const proxy = await startConnectProxy(options)
    cleanUps.push(() => proxy.close())
    const store = await openThrough(fake, () => proxyAt(proxy.url))
    await expect(store.put('k', bytes('x'))).rejects.toMatchObject({
      exitCode: 12,
      message: expect.stringMatching(new RegExp(`proxy ${proxy.url}: refused a tunnel .*${status}`)),
    })
  })

  test('that is not there is named', async () => {
    const fake = await startFake()
    const proxy = await startConnectProxy()
    await proxy.close()
    const store = await openThrough(fake, () => proxyAt(proxy.url))
    await expect(store.put('k', bytes('x'))).rejects.toMatchObject({
      exitCode: 12,
      message: expect.stringContaining(`proxy ${proxy.url}`),
    })
  })
})

describe('https with a private authority', () => {
  test('works with NODE_EXTRA_CA_CERTS, also through a proxy, and says so without', async () => {
    const authority = createAuthority()
    const fake = await startFake({ tls: authority.server(['127.0.0.1']) })
    const caFile = path.join(folder, 'ca.pem')
    await writeFile(caFile, authority.ca)
    const proxy = await startConnectProxy()
    cleanUps.push(() => proxy.close())
    const job = { url: 's3://bucket/p', endpointUrl: fake.endpoint, env: environmentOf(fake) }
    const trusting = { ...job, env: { ...job.env, NODE_EXTRA_CA_CERTS: caFile } }

    const [direct, tunnelled, distrusting] = await Promise.all([
      inProcess(trusting),
      inProcess({ ...trusting, proxy: proxyAt(proxy.url) }),
      inProcess(job),
    ])
    expect(direct).toEqual({ value: 'value' })
    expect(tunnelled).toEqual({ value: 'value' })
    expect(proxy.tunnels).toHaveLength(1)
    expect(distrusting).toMatchObject({ exitCode: 14, hint: expect.stringContaining('NODE_EXTRA_CA_CERTS') })
  })
})

describe('what the SDK finds by itself', () => {
  test('no credentials: 14, with the ways to give them', async () => {
    const fake = await startFake()
    const env = { AWS_REGION: 'us-east-1' }
    expect(await inProcess({ url: 's3://bucket', endpointUrl: fake.endpoint, env })).toEqual({
      code: 'STORE_ACCESS',
      exitCode: 14,
      hint: expect.stringContaining('AWS_ACCESS_KEY_ID'),
    })
  })

  test('no region: 2, unless there is an own endpoint', async () => {
    const fake = await startFake()
    const env = { ...environmentOf(fake), AWS_REGION: '' }
    expect(await inProcess({ url: 's3://bucket', env })).toMatchObject({
      exitCode: 2,
      hint: expect.stringContaining('AWS_REGION'),
    })
    expect(await inProcess({ url: 's3://bucket', endpointUrl: fake.endpoint, env })).toEqual({
      value: 'value',
    })
  })

  test('credentials and region of a profile in ~/.aws', async () => {
    const fake = await startFake({ region: 'eu-west-1' })
    const { accessKeyId, secretAccessKey } = fake.credentials
    const profile = `[backup]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\nregion=eu-west-1\n`
    const file = path.join(folder, 'credentials')
    await writeFile(file, profile)
    const env = { AWS_SHARED_CREDENTIALS_FILE: file, AWS_PROFILE: 'backup' }
    expect(await inProcess({ url: 's3://bucket', endpointUrl: fake.endpoint, env })).toEqual({
      value: 'value',
    })
  })
})
