import { describe, expect, test } from '@jest/globals'

import { parseServerUrl } from '../../src/chroma/server-url.js'
import { UsageError } from '../../src/core/errors.js'

describe('addresses', () => {
  test.each([
    ['http://127.0.0.1:8000', 'http://127.0.0.1:8000', '127.0.0.1', 8000, ''],
    ['http://host', 'http://host', 'host', 80, ''],
    ['https://host/', 'https://host', 'host', 443, ''],
    ['https://host/chroma/', 'https://host/chroma', 'host', 443, '/chroma'],
    ['https://host:8443/a/b', 'https://host:8443/a/b', 'host', 8443, '/a/b'],
    ['http://[::1]:8000', 'http://[::1]:8000', '::1', 8000, ''],
    ['http://host:8000/api/v2', 'http://host:8000', 'host', 8000, ''],
    ['http://host:8000/prefix/api/v2/', 'http://host:8000/prefix', 'host', 8000, '/prefix'],
  ])('%s', (text, displayUrl, host, port, prefix) => {
    expect(parseServerUrl(text)).toMatchObject({ displayUrl, host, port, prefix })
  })

  test('user and password become a header and are not shown', () => {
    const address = parseServerUrl('https://me:p%40ss@host/x')
    expect(address.displayUrl).toBe('https://host/x')
    expect(address.origin).toBe('https://host')
    expect(address.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`)
  })
})

describe('mistakes', () => {
  test.each([
    ['localhost:8000'],
    ['127.0.0.1:8000'],
    [''],
    ['ftp://host'],
    ['file:///tmp/chroma'],
    ['http://'],
    ['http://host:99999'],
    ['http://host?x=1'],
    ['http://host/#x'],
  ])('%j is a usage error with an example', (text) => {
    const error = failureOf(() => parseServerUrl(text))
    expect(error).toBeInstanceOf(UsageError)
    expect(error).toMatchObject({ exitCode: 2 })
    expect(error).toHaveProperty('hint', expect.stringContaining('http://127.0.0.1:8000'))
  })

  test.each([['http://me:hunter2@host:99999'], ['ftp://me:hunter2@host'], ['http://me:hunter2%@host']])(
    'the message about %s does not repeat the password',
    (text) => {
      expect(String(failureOf(() => parseServerUrl(text)))).not.toContain('hunter2')
    },
  )
})

function failureOf(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error('expected a failure')
}
