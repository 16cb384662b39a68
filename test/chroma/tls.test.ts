import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { connectTransport } from '../../src/chroma/connect.js'
import { connectionError } from '../../src/chroma/connection-error.js'
import type { TlsOptions } from '../../src/chroma/transport.js'
import { UsageError } from '../../src/core/errors.js'
import { createAuthority } from '../helpers/certificates.js'
import { answerJson, chromaLike, startHttpServer, type TestServer } from '../helpers/http-server.js'

const authority = createAuthority()
const stranger = createAuthority('a stranger')
const handler = chromaLike((_request, response) => answerJson(response, '"secret"'))

let server: TestServer
let named: TestServer
let expired: TestServer
let mutual: TestServer
let plain: TestServer

beforeAll(async () => {
  server = await startHttpServer(handler, authority.server(['localhost', '127.0.0.1']))
  named = await startHttpServer(handler, authority.server(['chroma.test']))
  expired = await startHttpServer(handler, authority.server(['127.0.0.1'], { expired: true }))
  mutual = await startHttpServer(handler, {
    ...authority.server(['127.0.0.1']),
    ca: authority.ca,
    requestCert: true,
    rejectUnauthorized: true,
  })
  plain = await startHttpServer(handler)
})

afterAll(async () => {
  await Promise.all([server, named, expired, mutual, plain].map((one) => one.close()))
})

const connect = (url: string, tls: TlsOptions = {}) =>
  connectTransport({ url, tls, retry: { maxRetries: 0 }, pool: { min: 1 } })

async function works(url: string, tls: TlsOptions): Promise<void> {
  const transport = await connect(url, tls)
  expect(String(await transport.send({ method: 'GET', path: '/x', idempotent: true }))).toBe('"secret"')
  await transport.close()
}

describe('trust', () => {
  test('a private authority, by address and by name', async () => {
    await works(server.url, { ca: authority.ca })
    await works(`https://localhost:${server.port}`, { ca: authority.ca })
  })

  test('several authorities in one file', async () => {
    await works(server.url, { ca: `${stranger.ca}\n${authority.ca}` })
  })

  test('another name by --tls-server-name', async () => {
    await works(named.url, { ca: authority.ca, serverName: 'chroma.test' })
  })

  test('mutual TLS', async () => {
    await works(mutual.url, { ca: authority.ca, ...authority.client('operator') })
  })
})

describe('no trust: told at once, 14, with what to do', () => {
  test.each([
    ['an unknown authority', () => connect(server.url), 'TLS_UNTRUSTED', '--ca-file'],
    ['another authority', () => connect(server.url, { ca: stranger.ca }), 'TLS_UNTRUSTED', '--ca-file'],
    ['another name', () => connect(named.url, { ca: authority.ca }), 'TLS_WRONG_NAME', '--tls-server-name'],
    ['an expired certificate', () => connect(expired.url, { ca: authority.ca }), 'TLS_EXPIRED', 'renew'],
    [
      'https to a server that speaks http',
      () => connect(plain.url.replace('http', 'https')),
      'TLS_NOT_SPOKEN',
      'http://',
    ],
  ])('%s', async (_name, attempt, finding, advice) => {
    const error: unknown = await attempt().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'TLS_FAILED', exitCode: 14, finding, retryable: false })
    expect(error).toHaveProperty('hint', expect.stringContaining(advice))
  })

  test.each([
    ['no client certificate', {}],
    ['a client certificate of a stranger', stranger.client('intruder')],
  ])('%s, where the server ends the connection without an alert', async (_name, tls) => {
    const error: unknown = await connect(mutual.url, { ca: authority.ca, ...tls }).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({ exitCode: 12, finding: 'CONNECTION_RESET' })
    expect(error).toHaveProperty('hint', expect.stringContaining('--cert-file'))
  })

  test('a refusal of the client certificate by an alert', () => {
    for (const code of ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA']) {
      const alert = Object.assign(new Error('SSL routines: alert'), { code })
      expect(connectionError(alert, 'GET /', 'https://host')).toMatchObject({
        code: 'TLS_FAILED',
        exitCode: 14,
        finding: 'TLS_CLIENT_CERTIFICATE',
      })
    }
  })

  test('http to a server that speaks https', async () => {
    const error: unknown = await connect(server.url.replace('https', 'http')).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({ exitCode: 12 })
  })
})

describe('files that cannot work are usage errors, found before connecting', () => {
  const own = authority.client('operator')
  const other = authority.client('other')

  test.each<[string, TlsOptions]>([
    ['a text for authorities', { ca: 'not a certificate' }],
    ['a damaged authority', { ca: authority.ca.replace(/[A-Z]{8}/, '########') }],
    ['a certificate without its key', { cert: own.cert }],
    ['a key without its certificate', { key: own.key }],
    ['the key of another', { cert: own.cert, key: other.key }],
    ['a damaged key', { cert: own.cert, key: own.key.slice(0, 200) }],
  ])('%s', async (_name, tls) => {
    const error: unknown = await connect(server.url, tls).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(UsageError)
    expect(error).toHaveProperty('hint', expect.any(String))
    expect(String(error)).not.toContain('BEGIN')
  })
})
