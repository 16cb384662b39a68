import { createHash } from 'node:crypto'

import { S3Refusal, type S3Request } from './fake-s3-request.js'

export interface S3Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface StoredObject {
  readonly body: Buffer
  readonly etag: string
  readonly modified: Date
  readonly checksums: Readonly<Record<string, string>>
}

export interface BucketRules {
  /** `ignored`: a store that promises conditions and does not observe them. `refused`: 501. */
  readonly conditions: 'kept' | 'ignored' | 'refused'
  /** Keys in one page of a listing. */
  readonly pageSize: number
  readonly now: () => Date
}

export type Objects = Map<string, StoredObject>

/** The operations that chroma-ops uses on one bucket, and DeleteObjects. */
export function answerRequest(objects: Objects, request: S3Request, rules: BucketRules): S3Answer {
  const { method, key, query } = request
  if (key === '') {
    if (method === 'GET' && query.get('list-type') === '2') return listObjects(objects, query, rules.pageSize)
    if (method === 'POST' && query.has('delete')) return deleteObjects(objects, request)
    if (method === 'HEAD') return answer(200)
    throw new S3Refusal(501, 'NotImplemented')
  }
  switch (method) {
    case 'PUT':
      return putObject(objects, request, rules)
    case 'GET':
    case 'HEAD':
      return getObject(objects, request)
    case 'DELETE':
      objects.delete(key)
      return answer(204)
    default:
      throw new S3Refusal(501, 'NotImplemented')
  }
}

function putObject(
  objects: Objects,
  { key, headers, body, checksums }: S3Request,
  rules: BucketRules,
): S3Answer {
  checkConditions(objects.get(key), headers, rules)
  const etag = `"${createHash('md5').update(body).digest('hex')}"`
  objects.set(key, { body, etag, modified: rules.now(), checksums })
  return answer(200, { etag, ...checksumHeaders(checksums) })
}

function checkConditions(
  current: StoredObject | undefined,
  headers: S3Request['headers'],
  { conditions }: BucketRules,
): void {
  const ifNoneMatch = headers['if-none-match']
  const ifMatch = headers['if-match']
  if (conditions === 'ignored' || (ifNoneMatch === undefined && ifMatch === undefined)) return
  if (conditions === 'refused')
    throw new S3Refusal(
      501,
      'NotImplemented',
      'A header you provided implies functionality that is not implemented',
    )
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*') throw new S3Refusal(501, 'NotImplemented')
  if (ifNoneMatch === '*' && current !== undefined) throw new S3Refusal(412, 'PreconditionFailed')
  if (ifMatch === undefined) return
  if (current === undefined) throw new S3Refusal(404, 'NoSuchKey', 'The specified key does not exist.')
  if (ifMatch !== current.etag) throw new S3Refusal(412, 'PreconditionFailed')
}

function getObject(objects: Objects, { key, headers }: S3Request): S3Answer {
  const object = objects.get(key)
  if (object === undefined) throw new S3Refusal(404, 'NoSuchKey', 'The specified key does not exist.')
  const { body, etag, modified, checksums } = object
  const common = { etag, 'last-modified': modified.toUTCString(), 'accept-ranges': 'bytes' }
  const range = /^bytes=(\d+)-(\d+)$/.exec(headers['range'] ?? '')
  if (range === null) {
    const sums = headers['x-amz-checksum-mode'] === 'ENABLED' ? checksumHeaders(checksums) : {}
    return answer(200, { ...common, ...sums }, body)
  }
  const start = Number(range[1])
  const end = Math.min(Number(range[2]), body.length - 1)
  if (start >= body.length || start > end) throw new S3Refusal(416, 'InvalidRange')
  const headersOfPart = { ...common, 'content-range': `bytes ${start}-${end}/${body.length}` }
  return answer(206, headersOfPart, body.subarray(start, end + 1))
}

function listObjects(objects: Objects, query: URLSearchParams, pageSize: number): S3Answer {
  const prefix = query.get('prefix') ?? ''
  const token = query.get('continuation-token')
  const after = token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64url').toString()
  const limit = Math.min(pageSize, Number(query.get('max-keys') ?? 1000))
  const wanted = [...objects.keys()]
    .filter((key) => key.startsWith(prefix) && compareUtf8(key, after) > 0)
    .sort(compareUtf8)
  const page = wanted.slice(0, limit)
  const isTruncated = wanted.length > page.length
  const show = query.get('encoding-type') === 'url' ? encodeURIComponent : escapeXml
  const contents = page.map((key) => {
    const object = objects.get(key)
    return (
      `<Contents><Key>${show(key)}</Key><LastModified>${object?.modified.toISOString() ?? ''}</LastModified>` +
      `<ETag>${escapeXml(object?.etag ?? '')}</ETag><Size>${object?.body.length ?? 0}</Size></Contents>`
    )
  })
  const next = isTruncated
    ? `<NextContinuationToken>${Buffer.from(page.at(-1) ?? '').toString('base64url')}</NextContinuationToken>`
    : ''
  return xml(
    `<ListBucketResult><Prefix>${show(prefix)}</Prefix><KeyCount>${page.length}</KeyCount><MaxKeys>${limit}</MaxKeys>` +
      `<IsTruncated>${isTruncated}</IsTruncated>${next}${contents.join('')}</ListBucketResult>`,
  )
}

function deleteObjects(objects: Objects, { headers, body, checksums }: S3Request): S3Answer {
  if (headers['content-md5'] === undefined && Object.keys(checksums).length === 0)
    throw new S3Refusal(400, 'InvalidRequest', 'Missing required header for this request: Content-MD5')
  const keys = [...body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => unescapeXml(key))
  if (keys.length === 0 || keys.length > 1000) throw new S3Refusal(400, 'MalformedXML')
  for (const key of keys) objects.delete(key)
  const deleted = keys.map((key) => `<Deleted><Key>${escapeXml(key)}</Key></Deleted>`)
  return xml(`<DeleteResult>${deleted.join('')}</DeleteResult>`)
}

function checksumHeaders(checksums: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(checksums).map(([name, value]) => [`x-amz-checksum-${name}`, value]),
  )
}

function answer(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body: Buffer = Buffer.alloc(0),
): S3Answer {
  return { status, headers, body }
}

export function xml(document: string): S3Answer {
  const body = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>${document}`)
  return answer(200, { 'content-type': 'application/xml' }, body)
}

export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)
}

function unescapeXml(text: string): string {
  return text.replace(
    /&#(\d+);|&(amp|lt|gt|quot|apos);/g,
    (_, code: string | undefined, name: string | undefined) =>
      code !== undefined ? String.fromCharCode(Number(code)) : (ENTITIES[name ?? ''] ?? ''),
  )
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
