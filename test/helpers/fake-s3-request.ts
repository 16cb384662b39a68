import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { crc32 } from 'node:zlib'

/** What S3 answers with an XML document instead of doing the work. */
export class S3Refusal extends Error {
  readonly status: number
  readonly code: string
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: string, message = code, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.status = status
    this.code = code
    this.headers = headers
  }
}

export interface S3Request {
  readonly method: string
  readonly bucket: string
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string>>
  /** Without the framing of aws-chunked. */
  readonly body: Buffer
  /** Checksums that came with the body and are right, by algorithm, in Base64. */
  readonly checksums: Readonly<Record<string, string>>
}

export interface Verifier {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region: string
  readonly now: Date
}

/** Refuses what S3 refuses: a wrong signature, scope, time, payload hash, framing, length or checksum. */
export function verifyRequest(request: IncomingMessage, raw: Buffer, verifier: Verifier): S3Request {
  const [rawPath = '/', rawQuery = ''] = (request.url ?? '/').split('?')
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, [value ?? ''].flat().join(', ')]),
  )
  const query = new URLSearchParams(rawQuery)
  const method = request.method ?? 'GET'
  verifySignature({ method, rawPath, query, headers }, verifier)

  const { body, trailers } = unframe(raw, headers)
  const checksums = verifyChecksums(body, { ...headers, ...trailers })
  const [, bucket = '', ...key] = rawPath.split('/').map(decodeURIComponent)
  return { method, bucket, key: key.join('/'), query, headers, body, checksums }
}

const CREDENTIAL =
  /Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/
const MAX_SKEW_MS = 15 * 60_000

interface Signed {
  readonly method: string
  readonly rawPath: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string>>
}

function verifySignature({ method, rawPath, query, headers }: Signed, verifier: Verifier): void {
  const parts = CREDENTIAL.exec(headers['authorization'] ?? '')
  const [, accessKeyId = '', day = '', region = '', signedHeaders = '', signature = ''] = parts ?? []
  if (parts === null) throw new S3Refusal(403, 'AccessDenied', 'Access Denied')
  if (accessKeyId !== verifier.accessKeyId) throw new S3Refusal(403, 'InvalidAccessKeyId')
  if (region !== verifier.region) throw wrongRegion(region, verifier.region)
  const date = headers['x-amz-date'] ?? ''
  if (!(Math.abs(parseAmzDate(date) - verifier.now.getTime()) < MAX_SKEW_MS))
    throw new S3Refusal(
      403,
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large',
    )
  const names = signedHeaders.split(';')
  const unsigned = Object.keys(headers).filter((name) => name.startsWith('x-amz-') && !names.includes(name))
  if (unsigned.length > 0 || !names.includes('host'))
    throw new S3Refusal(
      403,
      'AccessDenied',
      `There were headers present in the request which were not signed: ${unsigned.join()}`,
    )

  const canonicalQuery = [...query]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&')
  const canonicalHeaders = names
    .map((name) => `${name}:${(headers[name] ?? '').trim().replace(/ +/g, ' ')}\n`)
    .join('')
  const canonical = [
    method,
    rawPath,
    canonicalQuery,
    canonicalHeaders,
    signedHeaders,
    headers['x-amz-content-sha256'] ?? '',
  ]
  const scope = `${day}/${region}/s3/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', date, scope, sha256(canonical.join('\n')).toString('hex')].join('\n')
  const key = [day, region, 's3', 'aws4_request'].reduce<Buffer>(
    hmac,
    Buffer.from(`AWS4${verifier.secretAccessKey}`),
  )
  if (!timingSafeEqual(hmac(key, toSign), Buffer.from(signature, 'hex')))
    throw new S3Refusal(403, 'SignatureDoesNotMatch')
}

function wrongRegion(got: string, expected: string): S3Refusal {
  return new S3Refusal(
    301,
    'PermanentRedirect',
    `The bucket you are attempting to access must be addressed using the specified endpoint (signed for ${got})`,
    { 'x-amz-bucket-region': expected },
  )
}

/** `20261120T020000Z` as milliseconds. */
function parseAmzDate(text: string): number {
  return Date.parse(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
}

interface Unframed {
  readonly body: Buffer
  readonly trailers: Readonly<Record<string, string>>
}

/** The body itself; `x-amz-content-sha256` says in which form it came. */
function unframe(raw: Buffer, headers: Readonly<Record<string, string>>): Unframed {
  const form = headers['x-amz-content-sha256'] ?? ''
  if (form === 'STREAMING-UNSIGNED-PAYLOAD-TRAILER')
    return readChunks(raw, Number(headers['x-amz-decoded-content-length']))
  if (form.startsWith('STREAMING-')) throw new S3Refusal(501, 'NotImplemented', form)
  if (form !== 'UNSIGNED-PAYLOAD' && form !== sha256(raw).toString('hex'))
    throw new S3Refusal(400, 'XAmzContentSHA256Mismatch')
  return { body: raw, trailers: {} }
}

/** aws-chunked: `size CRLF bytes CRLF … 0 CRLF trailers CRLF`. */
function readChunks(raw: Buffer, length: number): Unframed {
  const chunks: Buffer[] = []
  let at = 0
  for (;;) {
    const end = raw.indexOf('\r\n', at)
    const size = Number.parseInt(raw.toString('latin1', at, Math.max(at, end)), 16)
    if (end < 0 || Number.isNaN(size)) throw new S3Refusal(400, 'IncompleteBody')
    at = end + 2
    if (size === 0) break
    chunks.push(raw.subarray(at, at + size))
    at += size
    if (raw.toString('latin1', at, at + 2) !== '\r\n') throw new S3Refusal(400, 'IncompleteBody')
    at += 2
  }
  const body = Buffer.concat(chunks)
  if (body.length !== length) throw new S3Refusal(400, 'IncompleteBody')
  const lines = raw
    .toString('latin1', at)
    .split('\r\n')
    .filter((line) => line.includes(':'))
  const trailers = Object.fromEntries(
    lines.map((line): [string, string] => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  )
  return { body, trailers }
}

const ALGORITHMS: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  crc32: (bytes) => bigEndian(crc32(bytes)),
  crc32c: (bytes) => bigEndian(crc32c(bytes)),
  sha1: (bytes) => createHash('sha1').update(bytes).digest(),
  sha256,
}

function verifyChecksums(
  body: Buffer,
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const md5 = headers['content-md5']
  if (md5 !== undefined && md5 !== createHash('md5').update(body).digest('base64'))
    throw new S3Refusal(400, 'BadDigest')
  const found: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    const algorithm = /^x-amz-checksum-(crc\w+|sha\w+)$/.exec(name)?.[1]
    if (algorithm === undefined) continue
    const digest = ALGORITHMS[algorithm]
    if (digest === undefined) throw new S3Refusal(501, 'NotImplemented', `checksum ${algorithm}`)
    if (digest(body).toString('base64') !== value)
      throw new S3Refusal(400, 'BadDigest', `The ${algorithm} you specified did not match what we received`)
    found[algorithm] = value
  }
  return found
}

const CRC32C_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
  return value
})

function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (CRC32C_TABLE[(crc ^ byte) & 255] ?? 0) ^ (crc >>> 8)
  return ~crc >>> 0
}

function bigEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function sha256(bytes: Buffer | string): Buffer {
  return createHash('sha256').update(bytes).digest()
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

/** The percent-encoding of SigV4. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
