import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { UsageError } from '../../src/core/errors.js'
import { openStore } from '../../src/storage/open-store.js'
import { parseStoreUrl } from '../../src/storage/store-url.js'
import { FakeS3 } from '../helpers/fake-s3.js'
import { bytes, text } from './conformance-subject.js'

describe('parseStoreUrl', () => {
  test.each([
    ['/var/backups', { type: 'local', path: '/var/backups' }],
    ['./backups', { type: 'local', path: path.resolve('backups') }],
    ['backups', { type: 'local', path: path.resolve('backups') }],
    ['with space & ü', { type: 'local', path: path.resolve('with space & ü') }],
    ['file:///var/with%20space', { type: 'local', path: '/var/with space' }],
    ['FILE:///var', { type: 'local', path: '/var' }],
    ['memory://name', { type: 'memory', name: 'name' }],
    ['s3://bucket', { type: 's3', bucket: 'bucket', prefix: '' }],
    ['s3://bucket/', { type: 's3', bucket: 'bucket', prefix: '' }],
    ['s3://my.bucket-1/a/b/', { type: 's3', bucket: 'my.bucket-1', prefix: 'a/b' }],
    ['gs://my_bucket.x/a', { type: 'gcs', bucket: 'my_bucket.x', prefix: 'a' }],
    ['azblob://backups/a/b', { type: 'azure', host: null, container: 'backups', prefix: 'a/b' }],
    [
      'azblob://acme1.blob.core.windows.net/backups/',
      { type: 'azure', host: 'acme1.blob.core.windows.net', container: 'backups', prefix: '' },
    ],
  ])('%s', (url, location) => {
    expect(parseStoreUrl(url)).toEqual(location)
  })

  test.each([
    '',
    '   ',
    'http://example.com/bucket',
    'ftp://host/x',
    's3:bucket',
    'gs:bucket',
    'azblob:/container',
    'gs://',
    'gs://bucket/a b',
    'azblob://',
    'azblob://Upper/x',
    'azblob://two--hyphens',
    'azblob://acme1.blob.core.windows.net',
    'azblob://acme1.blob.core.windows.net/Upper',
    's3:/bucket',
    's3://',
    's3:///prefix',
    's3://b',
    's3://bucket//x',
    's3://bucket/../other',
    's3://bucket/a b',
    'file:backups',
    'file://host/share',
    'file:///a?b',
    'file:///a#b',
    'a\0b',
  ])('%j is refused with what to write instead', (url) => {
    expect(() => parseStoreUrl(url)).toThrow(UsageError)
    expect(() => parseStoreUrl(url)).toThrow(
      expect.objectContaining({ exitCode: 2, hint: expect.any(String) }),
    )
  })

  test.each([
    's3://key:secret@bucket/x',
    'gs://key:secret@bucket/x',
    'azblob://acme1.blob.core.windows.net/backups?sv=2025&sig=secret',
  ])('credentials in an address are refused and not repeated: %s', (url) => {
    expect(() => parseStoreUrl(url)).toThrow(
      expect.objectContaining({ exitCode: 2, message: expect.not.stringContaining('secret') }),
    )
  })
})

describe('openStore', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  test('a path and its file URL are the same store', async () => {
    const byPath = await openStore(path.join(folder, 'a b'))
    await byPath.put('k', bytes('value'))
    const byUrl = await openStore(pathToFileURL(path.join(folder, 'a b')).href)
    expect(text((await byUrl.get('k')).bytes)).toBe('value')
    expect(byUrl.displayUrl).toBe(byPath.displayUrl)
  })

  test('a memory store is shared by its name', async () => {
    await (await openStore('memory://shared')).put('k', bytes('value'))
    expect(text((await (await openStore('memory://shared')).get('k')).bytes)).toBe('value')
    await expect((await openStore('memory://other')).get('k')).rejects.toMatchObject({ exitCode: 10 })
  })

  test('a file is no store', async () => {
    await writeFile(path.join(folder, 'file'), '')
    await expect(openStore(path.join(folder, 'file'))).rejects.toThrow(UsageError)
  })

  test('S3: below the prefix, with retries, and two prefixes do not see each other', async () => {
    const fake = await FakeS3.start()
    const s3 = { endpointUrl: fake.endpoint, credentials: fake.credentials }
    const batch = { baseDelayMs: 1 }
    const one = await openStore('s3://bucket/one', { s3, retry: { firstContact: batch, batch } })
    const other = await openStore('s3://bucket/one-more', { s3 })
    let failures = 2
    fake.fault = () => (failures-- > 0 ? { kind: 'reset' } : null)
    await one.put('k', bytes('1'))
    await other.put('k', bytes('2'))
    expect([...fake.objects().keys()]).toEqual(['one/k', 'one-more/k'])
    const keys: string[] = []
    for await (const { key } of one.list('')) keys.push(key)
    expect(keys).toEqual(['k'])
    expect(one.displayUrl).toBe('s3://bucket/one')
    await one.close()
    await other.close()
    await fake.stop()
  })
})
