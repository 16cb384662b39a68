import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { connectTransport } from '../../src/chroma/connect.js'
import { proxyFor } from '../../src/chroma/proxy.js'
import { parseServerUrl } from '../../src/chroma/server-url.js'
import { UsageError } from '../../src/core/errors.js'
import { createAuthority } from '../helpers/certificates.js'
import { startConnectProxy } from '../helpers/connect-proxy.js'
import { answerJson, chromaLike, startHttpServer, type TestServer } from '../helpers/http-server.js'

const proxies = { httpProxy: 'http://plain:3128', httpsProxy: 'http://secure:3129' }
const choose = (url: string, noProxy = '') => proxyFor(parseServerUrl(url), { ...proxies, noProxy })

describe('which proxy', () => {
  test('by the scheme of the server', () => {
    expect(choose('http://host')).toMatchObject({ host: 'plain', port: 3128 })
    expect(choose('https://host')).toMatchObject({ host: 'secure', port: 3129 })
  })

  test('none without one', () => {
    expect(proxyFor(parseServerUrl('http://host'), undefined)).toBeNull()
    expect(proxyFor(parseServerUrl('http://host'), { httpProxy: ' ', httpsProxy: 'http://x' })).toBeNull()
  })

  test.each(['http://localhost:8000', 'http://127.0.0.1:8000', 'http://127.1.2.3', 'http://[::1]:8000'])(
    'none for %s, which is this machine',
    (url) => {
      expect(choose(url)).toBeNull()
    },
  )

  test('without a scheme it is an http proxy; credentials are kept apart', () => {
    const proxy = proxyFor(parseServerUrl('http://host'), { httpProxy: 'me:pass@proxy:3128' })
    expect(proxy).toMatchObject({ secure: false, host: 'proxy', port: 3128, displayUrl: 'http://proxy:3128' })
    expect(proxy?.authorization).toBe(`Basic ${Buffer.from('me:pass').toString('base64')}`)
  })

  test('a proxy that is no URL is a usage error without its password', () => {
    for (const httpProxy of ['ftp://me:hunter2@proxy', 'http://me:hunter2@pro xy']) {
      const attempt = () => proxyFor(parseServerUrl('http://host'), { httpProxy })
      expect(attempt).toThrow(UsageError)
      expect(attempt).not.toThrow(/hunter2/)
    }
  })
})

describe('NO_PROXY', () => {
  test.each([
    ['http://db.internal', 'db.internal'],
    ['http://a.db.internal', 'db.internal'],
    ['http://a.internal', '.internal'],
    ['http://a.internal', '*.internal'],
    ['http://A.Internal', 'x, a.INTERNAL ,y'],
    ['http://db:8000', 'db:8000'],
    ['http://10.1.2.3', '10.0.0.0/8'],
    ['http://10.1.2.3', '10.1.2.3'],
    ['http://[fd00::1]', 'fd00::/8'],
    ['http://[fd00::1]:80', '[fd00::1]'],
    ['http://anything', '*'],
  ])('%s is reached directly with %j', (url, noProxy) => {
    expect(choose(url, noProxy)).toBeNull()
  })

  test.each([
    ['http://notinternal', 'internal'],
    ['http://db.internal.example', 'db.internal'],
    ['http://db:8001', 'db:8000'],
    ['http://11.1.2.3', '10.0.0.0/8'],
    ['http://10.1.2.3', '2.3'],
    ['http://10.1.2.3', '10.0.0.0/99'],
    ['http://host', ', ,'],
  ])('%s goes through the proxy with %j', (url, noProxy) => {
    expect(choose(url, noProxy)).not.toBeNull()
  })
})

describe('tunnels', () => {
  const authority = createAuthority()
  let plain: TestServer
  let secure: TestServer

  beforeAll(async () => {
    const handler = chromaLike((_request, response) => answerJson(response, '"through"'))
    plain = await startHttpServer(handler)
    secure = await startHttpServer(handler, authority.server(['chroma.test']))
  })

  afterAll(async () => {
    await plain.close()
    await secure.close()
  })

  test('an http server is reached through CONNECT; the name is resolved by the proxy', async () => {
    const proxy = await startConnectProxy()
    const transport = await connectTransport({
      url: `http://chroma.test:${plain.port}`,
      proxy: { httpProxy: proxy.url },
    })
    expect(String(await transport.send({ method: 'GET', path: '/x', idempotent: true }))).toBe('"through"')
    expect(proxy.tunnels).toEqual([`chroma.test:${plain.port}`, `chroma.test:${plain.port}`])
    expect(transport.stats.pool.created).toBe(2)
    await transport.close()
    await proxy.close()
  })

  test('an https server too, and its certificate is checked against the name', async () => {
    const proxy = await startConnectProxy({ credentials: 'me:secret' })
    const options = {
      url: `https://chroma.test:${secure.port}`,
      proxy: { httpsProxy: proxy.url.replace('//', '//me:secret@') },
    }
    const transport = await connectTransport({ ...options, tls: { ca: authority.ca } })
    expect(String(await transport.send({ method: 'GET', path: '/x', idempotent: true }))).toBe('"through"')
    expect(proxy.tunnels.length).toBeGreaterThan(0)
    await transport.close()

    await expect(connectTransport(options)).rejects.toMatchObject({ code: 'TLS_FAILED', exitCode: 14 })
    await proxy.close()
  })

  test('a server in NO_PROXY is not tunnelled', async () => {
    const proxy = await startConnectProxy()
    const transport = await connectTransport({
      url: plain.url,
      proxy: { httpProxy: proxy.url, noProxy: '127.0.0.0/8' },
    })
    expect(proxy.tunnels).toEqual([])
    await transport.close()
    await proxy.close()
  })

  test('a proxy that wants credentials, or refuses: 12, with the proxy named and no secret told', async () => {
    const picky = await startConnectProxy({ credentials: 'me:secret' })
    const closed = await startConnectProxy({ refuse: 403 })
    for (const [proxy, status] of [
      [picky, 407],
      [closed, 403],
    ] as const) {
      const url = proxy.url.replace('//', '//me:wrong@')
      const attempt = connectTransport({
        url: `http://chroma.test:${plain.port}`,
        proxy: { httpProxy: url },
        retry: { maxRetries: 0 },
      })
      const error: unknown = await attempt.catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ exitCode: 12, finding: 'PROXY_REFUSED' })
      expect(String(error)).toContain(proxy.url)
      expect(String(error)).toContain(String(status))
      expect(String(error)).not.toContain('wrong')
      await proxy.close()
    }
  })

  test('a proxy that is not there', async () => {
    const proxy = await startConnectProxy()
    await proxy.close()
    await expect(
      connectTransport({
        url: `http://chroma.test:${plain.port}`,
        proxy: { httpProxy: proxy.url },
        retry: { maxRetries: 0 },
      }),
    ).rejects.toMatchObject({ exitCode: 12, finding: 'CONNECTION_REFUSED' })
  })
})
