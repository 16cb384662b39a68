import { createHash } from 'node:crypto'

import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import * as s3 from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { FakeS3, times } from './fake-s3.js'

/** The fake is only worth something if it refuses what S3 refuses. */
describe('FakeS3', () => {
  const Bucket = 'bucket'
  let fake: FakeS3
  const clients: S3Client[] = []

  function client(config: S3ClientConfig = {}): S3Client {
    const { endpoint, credentials } = fake
    const base = { endpoint, credentials, region: 'us-east-1', forcePathStyle: true, maxAttempts: 1 }
    const created = new S3Client({ ...base, ...config })
    clients.push(created)
    return created
  }

  beforeEach(async () => {
    fake = await FakeS3.start()
  })
  afterEach(async () => {
    for (const used of clients.splice(0)) used.destroy()
    await fake.stop()
  })

  const put = (config: S3ClientConfig, extra: Partial<s3.PutObjectCommandInput> = {}) =>
    client(config).send(new s3.PutObjectCommand({ Bucket, Key: 'a', Body: 'body', ...extra }))
  const refusal = (name: string) => expect.objectContaining({ name })

  test('takes what the SDK sends by default, framed with a checksum behind it, and stores it without', async () => {
    async function* body() {
      yield Buffer.from('streamed')
    }
    const { Readable } = await import('node:stream')
    await put({}, { Body: Readable.from(body()), ContentLength: 8 })
    expect(fake.objects().get('a')?.body.toString()).toBe('streamed')
    expect(Object.keys(fake.objects().get('a')?.checksums ?? {})).toEqual(['crc32'])
  })

  test('refuses a wrong secret, an unknown key id and another region', async () => {
    const { accessKeyId, secretAccessKey } = fake.credentials
    await expect(put({ credentials: { accessKeyId, secretAccessKey: 'wrong' } })).rejects.toEqual(
      refusal('SignatureDoesNotMatch'),
    )
    await expect(put({ credentials: { accessKeyId: 'wrong', secretAccessKey } })).rejects.toEqual(
      refusal('InvalidAccessKeyId'),
    )
    await expect(put({ region: 'eu-west-1' })).rejects.toEqual(refusal('PermanentRedirect'))
    expect(fake.objects().size).toBe(0)
  })

  test('refuses a request without a signature, and one that was changed on its way', async () => {
    expect((await fetch(`${fake.endpoint}/bucket/a`)).status).toBe(403)
    const tampering = client()
    tampering.middlewareStack.add(
      (next) => (args) => {
        Reflect.set(Reflect.get(Object(args.request), 'headers'), 'x-amz-meta-added', 'later')
        return next(args)
      },
      { step: 'finalizeRequest', priority: 'low' },
    )
    const command = new s3.PutObjectCommand({ Bucket, Key: 'a', Body: 'body' })
    await expect(tampering.send(command)).rejects.toEqual(refusal('AccessDenied'))
  })

  test('refuses a request of another time', async () => {
    await expect(put({ systemClockOffset: 3_600_000 })).rejects.toEqual(refusal('RequestTimeTooSkewed'))
  })

  test.each([
    ['ChecksumSHA256', 'sha256'],
    ['ChecksumSHA1', 'sha1'],
  ] as const)('checks %s', async (field, algorithm) => {
    const digest = (text: string) => createHash(algorithm).update(text).digest('base64')
    await expect(put({}, { [field]: digest('other') })).rejects.toEqual(refusal('BadDigest'))
    expect(fake.objects().size).toBe(0)
    await put({}, { [field]: digest('body') })
  })

  test.each([
    ['ChecksumCRC32', 'AAAAAA==', 'y/Q5Jg=='],
    ['ChecksumCRC32C', 'AAAAAA==', '4waSgw=='],
  ] as const)('checks %s', async (field, wrong, right) => {
    const Body = '123456789'
    await expect(put({}, { Body, [field]: wrong })).rejects.toEqual(refusal('BadDigest'))
    await put({}, { Body, [field]: right })
  })

  test('checks Content-MD5', async () => {
    const md5 = (text: string) => createHash('md5').update(text).digest('base64')
    await expect(put({}, { ContentMD5: md5('other') })).rejects.toEqual(refusal('BadDigest'))
    await put({}, { ContentMD5: md5('body') })
  })

  test('observes If-None-Match and If-Match, unless told to ignore or to refuse them', async () => {
    const { ETag } = await put({}, { IfNoneMatch: '*' })
    await expect(put({}, { IfNoneMatch: '*' })).rejects.toEqual(refusal('PreconditionFailed'))
    await expect(put({}, { IfMatch: '"other"' })).rejects.toEqual(refusal('PreconditionFailed'))
    await expect(put({}, { Key: 'new', IfMatch: ETag })).rejects.toEqual(refusal('NoSuchKey'))
    await put({}, { Body: 'new', IfMatch: ETag })

    await fake.stop()
    fake = await FakeS3.start({ conditions: 'ignored' })
    await put({}, { IfNoneMatch: '*' })
    await put({}, { IfNoneMatch: '*' })
    await fake.stop()
    fake = await FakeS3.start({ conditions: 'refused' })
    await expect(put({}, { IfNoneMatch: '*' })).rejects.toEqual(refusal('NotImplemented'))
  })

  test('lists in pages, by UTF-8, with names that XML cannot hold as they are', async () => {
    await fake.stop()
    fake = await FakeS3.start({ pageSize: 2 })
    const names = ['p/ü+&<>', 'p/b c', 'p/a', 'q', 'p/\u{1f600}', 'p/\u{ffff}']
    for (const Key of names) await put({}, { Key })
    const found: string[] = []
    let ContinuationToken: string | undefined
    do {
      const page = await client().send(
        new s3.ListObjectsV2Command({
          Bucket,
          Prefix: 'p/',
          ...(ContinuationToken ? { ContinuationToken } : {}),
        }),
      )
      found.push(...(page.Contents ?? []).map(({ Key }) => Key ?? ''))
      ContinuationToken = page.NextContinuationToken
    } while (ContinuationToken !== undefined)
    expect(found).toEqual(['p/a', 'p/b c', 'p/ü+&<>', 'p/\u{ffff}', 'p/\u{1f600}'])
  })

  test('deletes one and many, and wants a checksum with many', async () => {
    for (const Key of ['a', 'b', 'c&d']) await put({}, { Key })
    await client().send(new s3.DeleteObjectCommand({ Bucket, Key: 'a' }))
    await client().send(
      new s3.DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'c&d' }, { Key: 'x' }] } }),
    )
    expect([...fake.objects().keys()]).toEqual(['b'])
  })

  test('a lost answer is applied, a reset is not', async () => {
    fake.fault = times(1, { kind: 'lose-answer' })
    await expect(put({})).rejects.toThrow('socket hang up')
    expect(fake.objects().size).toBe(1)
    fake.fault = times(1, { kind: 'reset' })
    await expect(put({}, { Key: 'b' })).rejects.toThrow('socket hang up')
    expect(fake.objects().size).toBe(1)
  })
})
