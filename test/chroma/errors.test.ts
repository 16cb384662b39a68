import { describe, expect, test } from '@jest/globals'

import { answerError } from '../../src/chroma/answer-error.js'
import {
  CollectionNotFoundError,
  DatabaseNotFoundError,
  TenantNotFoundError,
  type ChromaError,
} from '../../src/chroma/errors.js'

const now = Date.UTC(2026, 10, 20)

function failed(status: number, body: string, headers: Record<string, string> = {}): ChromaError {
  return answerError({ status, headers, body: Buffer.from(body) }, 'POST /x', now)
}

const chroma = (error: string, message: string) => JSON.stringify({ error, message })

describe('statuses and texts as Chroma sends them', () => {
  test.each<[number, string, string, number, string | null]>([
    [
      400,
      chroma('InvalidArgumentError', 'Expected a name containing 3-512 characters'),
      'INVALID_REQUEST',
      1,
      null,
    ],
    [
      400,
      chroma('InvalidArgumentError', 'Collection expecting embedding with dimension of 3, got 2'),
      'INVALID_REQUEST',
      1,
      'DIM_MISMATCH',
    ],
    [401, chroma('ChromaError', 'Unauthorized'), 'NOT_ALLOWED', 14, null],
    [403, chroma('ChromaError', 'Forbidden'), 'NOT_ALLOWED', 14, null],
    [404, chroma('NotFoundError', 'Collection [docs] does not exist'), 'NOT_FOUND', 10, null],
    [404, '', 'NOT_SUPPORTED', 16, null],
    [404, '<html>nginx</html>', 'NOT_CHROMA', 16, null],
    [405, '', 'NOT_SUPPORTED', 16, null],
    [408, '', 'SERVER_UNREACHABLE', 12, null],
    [409, chroma('ChromaError', 'Collection [docs] already exists'), 'CONFLICT', 1, 'NAME_TAKEN'],
    [
      410,
      chroma('Unimplemented', 'The v1 API is deprecated. Please use /v2 apis'),
      'NOT_SUPPORTED',
      16,
      'V1_API',
    ],
    [412, chroma('ChromaError', 'no segments'), 'CONFLICT', 1, null],
    [413, 'Payload too large', 'PAYLOAD_TOO_LARGE', 1, 'BATCH_TOO_BIG'],
    [413, '<html>Request Entity Too Large</html>', 'PAYLOAD_TOO_LARGE', 1, 'BATCH_TOO_BIG'],
    [
      422,
      chroma('ChromaError', 'data did not match any variant of untagged enum MetadataValue'),
      'INVALID_REQUEST',
      1,
      'BAD_RECORD',
    ],
    [422, chroma('ChromaError', 'Quota exceeded: records'), 'INVALID_REQUEST', 1, 'QUOTA_EXCEEDED'],
    [429, chroma('ChromaError', 'You have been rate limited.'), 'RATE_LIMITED', 12, 'RATE_LIMITED'],
    [
      500,
      chroma('InternalError', 'error returned from database: (code: 5) database is locked'),
      'SERVER_FAILED',
      1,
      'LOCKED',
    ],
    [
      500,
      chroma(
        'InternalError',
        '(code: 2067) UNIQUE constraint failed: collections.name, collections.database_id',
      ),
      'CONFLICT',
      1,
      'NAME_TAKEN',
    ],
    [
      500,
      chroma('InternalError', 'Error executing plan: Internal error: (code: 1) too many SQL variables'),
      'PAYLOAD_TOO_LARGE',
      1,
      'PAGE_TOO_BIG',
    ],
    [
      500,
      chroma('InternalError', 'Error executing plan: Internal error: Error finding id'),
      'SERVER_FAILED',
      1,
      'VECTOR_MISSING',
    ],
    [500, chroma('InternalError', 'Method scout_logs is not implemented'), 'NOT_SUPPORTED', 16, 'CLOUD_ONLY'],
    [500, '', 'SERVER_FAILED', 1, null],
    [
      501,
      chroma('ChromaError', 'Search operation is not implemented for local executor'),
      'NOT_SUPPORTED',
      16,
      'CLOUD_ONLY',
    ],
    [502, '<html>bad gateway</html>', 'SERVER_UNREACHABLE', 12, null],
    [503, 'no upstream', 'SERVER_UNREACHABLE', 12, null],
    [504, '', 'SERVER_UNREACHABLE', 12, null],
    [507, '', 'SERVER_FAILED', 1, null],
    [302, '', 'NOT_CHROMA', 16, null],
    [418, 'teapot', 'NOT_CHROMA', 16, null],
  ])('%d %s: %s', (status, body, code, exitCode, finding) => {
    const error = failed(status, body)
    expect(error).toMatchObject({ code, exitCode, finding, status })
    if (finding !== null) expect(error.hint).toEqual(expect.stringMatching(/\w/))
  })

  test('only what can succeed later is retryable', () => {
    const retryable = [
      400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 422, 429, 500, 501, 502, 503, 504,
    ].filter((status) => failed(status, chroma('ChromaError', 'text')).retryable)
    expect(retryable).toEqual([408, 429, 502, 503, 504])
    expect(failed(500, chroma('InternalError', '(code: 5) database is locked')).retryable).toBe(true)
    expect(failed(500, chroma('InternalError', 'Error finding id')).retryable).toBe(false)
    expect(failed(412, chroma('StaleReadError', 'stale')).retryable).toBe(true)
  })

  test('429 surely was not processed, 503 may have been', () => {
    expect(failed(429, '')).toMatchObject({ unprocessed: true })
    expect(failed(503, '')).toMatchObject({ unprocessed: false })
  })

  test('Retry-After in seconds and as a date', () => {
    expect(failed(429, '', { 'retry-after': '7' }).retryAfterMs).toBe(7000)
    expect(failed(503, '', { 'retry-after': 'Fri, 20 Nov 2026 00:00:09 GMT' }).retryAfterMs).toBe(9000)
    expect(failed(503, '').retryAfterMs).toBeUndefined()
  })

  test('the message is that of the server, with status, name and request', () => {
    const error = failed(404, chroma('NotFoundError', 'Collection [docs] does not exist'))
    expect(error.message).toBe('Collection [docs] does not exist (404 NotFoundError, POST /x)')
    expect(error).toMatchObject({
      serverName: 'NotFoundError',
      serverMessage: 'Collection [docs] does not exist',
    })
  })

  test('web pages are not quoted', () => {
    const error = failed(502, '<html><script>…</script></html>', { 'content-type': 'text/html' })
    expect(error.message).toBe('status 502 (POST /x)')
  })

  test('texts of others cannot play with the terminal, and are not endless', () => {
    const error = failed(
      500,
      chroma('Internal\u001b[31mError', `\u001b]0;owned\u0007a\nb${'x'.repeat(5000)}`),
    )
    expect(error.message).not.toMatch(/\p{Cc}/u)
    expect(error.message.length).toBeLessThan(800)
  })

  test('a warning of the catalogue is part of the hint', () => {
    const error = failed(500, chroma('InternalError', 'Error loading hnsw index'))
    expect(error.hint).toContain('Never delete or move the segment folder')
  })
})

describe('names that are not there', () => {
  test.each([
    [new TenantNotFoundError(['a'], ['b', 'c']), 'TENANT_NOT_FOUND', 'no tenant named a'],
    [new DatabaseNotFoundError(['a'], ['b', 'c']), 'DATABASE_NOT_FOUND', 'no database named a'],
    [new CollectionNotFoundError(['a', 'd'], ['b', 'c']), 'COLLECTION_NOT_FOUND', 'no collection named a, d'],
  ])('%s', (error, code, message) => {
    expect(error).toMatchObject({ code, message, exitCode: 10, hint: 'choose from: b, c' })
  })

  test('without known names there is no hint', () => {
    expect(new TenantNotFoundError(['a']).hint).toBeUndefined()
  })
})
