import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { ServerOptions } from 'node:https'

import type { Fault } from './fake-s3.js'
import { escapeXml } from './fake-s3-bucket.js'
import { type FakeAnswer, FakeService, Refusal } from './fake-service.js'

export interface AzureRequest {
  readonly method: string
  readonly container: string
  /** Empty for the container itself. */
  readonly blob: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface StoredAzureBlob {
  readonly body: Buffer
  readonly etag: string
  readonly modified: Date
}

export interface FakeAzureOptions {
  readonly containers?: readonly string[]
  /** Blobs in one page of a listing. */
  readonly pageSize?: number
  /** What the server's clock is ahead of the machine's. */
  readonly clockAheadMs?: number
  readonly tls?: ServerOptions
  /** Whether `startFrom` of listings is known. */
  readonly startFrom?: boolean
  /** Taken in place of a signature. */
  readonly sasToken?: string
}

const EMPTY = Buffer.alloc(0)
const MAX_SKEW_MS = 15 * 60_000

/** A strict Azure Blob Storage in this process, as an emulator's path-style account: refuses what Azure refuses. */
export class FakeAzure {
  readonly account = 'devaccount'
  readonly accountKey = createHash('sha512').update('the key of the fake').digest('base64')
  readonly #service: FakeService<AzureRequest>
  readonly #options: FakeAzureOptions
  readonly #containers: Map<string, Map<string, StoredAzureBlob>>
  #writes = 0

  private constructor(options: FakeAzureOptions) {
    this.#options = options
    const names = options.containers ?? ['backups']
    this.#containers = new Map(names.map((name) => [name, new Map<string, StoredAzureBlob>()]))
    this.#service = new FakeService<AzureRequest>({
      read: (message, raw) => this.#read(message, raw),
      apply: (request) => this.#apply(request),
      refuse,
      now: () => this.#now(),
    })
  }

  static async start(options: FakeAzureOptions = {}): Promise<FakeAzure> {
    const fake = new FakeAzure(options)
    await fake.#service.start(options.tls)
    return fake
  }

  /** With the account at its end, as emulators have it. */
  get endpoint(): string {
    return `${this.#service.url}/${this.account}`
  }

  get connectionString(): string {
    const protocol = this.#service.url.split(':', 1)[0] ?? ''
    return `DefaultEndpointsProtocol=${protocol};AccountName=${this.account};AccountKey=${this.accountKey};BlobEndpoint=${this.endpoint}`
  }

  get requests(): readonly AzureRequest[] {
    return this.#service.requests
  }

  set fault(fault: (request: AzureRequest) => Fault | null) {
    this.#service.fault = fault
  }

  set tamper(tamper: (raw: Buffer) => Buffer) {
    this.#service.tamper = tamper
  }

  blobs(container = 'backups'): Map<string, StoredAzureBlob> {
    return this.#containers.get(container) ?? new Map<string, StoredAzureBlob>()
  }

  async stop(): Promise<void> {
    await this.#service.stop()
  }

  #now(): Date {
    return new Date(Date.now() + (this.#options.clockAheadMs ?? 0))
  }

  #read(message: IncomingMessage, body: Buffer): AzureRequest {
    const [rawPath = '/', rawQuery = ''] = (message.url ?? '/').split('?')
    const query = new URLSearchParams(rawQuery)
    const headers = Object.fromEntries(
      Object.entries(message.headers).map(([name, value]) => [name, [value ?? ''].flat().join(', ')]),
    )
    const method = message.method ?? 'GET'
    this.#authenticate({ method, rawPath, query, headers })
    if (headers['x-ms-version'] === undefined) throw new Refusal(400, 'MissingRequiredHeader')
    if (Number(headers['content-length'] ?? 0) !== body.length) throw new Refusal(400, 'IncompleteBody')
    const [, account = '', container = '', ...blob] = rawPath.split('/').map(decodeURIComponent)
    if (account !== this.account) throw new Refusal(404, 'ResourceNotFound')
    return { method, container, blob: blob.join('/'), query, headers, body }
  }

  #authenticate(signed: Signed): void {
    const { headers, query } = signed
    const { sasToken } = this.#options
    if (sasToken !== undefined && query.has('sig')) {
      for (const [name, value] of new URLSearchParams(sasToken))
        if (query.get(name) !== value) throw notBelieved('Signature did not match.')
      if (Date.parse(query.get('se') ?? '') < this.#now().getTime())
        throw notBelieved('Signature not valid in the specified time frame')
      return
    }
    const [, account = '', signature = ''] =
      /^SharedKey ([^:]+):(.+)$/.exec(headers['authorization'] ?? '') ?? []
    if (account === '') throw new Refusal(401, 'NoAuthenticationInformation')
    const skew = Math.abs(Date.parse(headers['x-ms-date'] ?? '') - this.#now().getTime())
    if (!(skew < MAX_SKEW_MS)) throw notBelieved('The date header in the request is too old.')
    const expected = createHmac('sha256', Buffer.from(this.accountKey, 'base64'))
      .update(stringToSign(signed, account))
      .digest()
    const given = Buffer.from(signature, 'base64')
    if (account !== this.account || given.length !== expected.length || !timingSafeEqual(given, expected))
      throw notBelieved(
        'The MAC signature found in the HTTP request is not the same as any computed signature.',
      )
  }

  #apply(request: AzureRequest): FakeAnswer {
    const blobs = this.#containers.get(request.container)
    if (blobs === undefined)
      throw new Refusal(404, 'ContainerNotFound', 'The specified container does not exist.')
    if (request.blob === '') {
      if (request.method !== 'GET' || request.query.get('comp') !== 'list')
        throw new Refusal(400, 'UnsupportedHttpVerb')
      return this.#list(blobs, request)
    }
    // Blocks that are never committed are what a broken upload leaves behind.
    if (request.query.has('comp')) throw new Refusal(400, 'UnsupportedQueryParameter')
    switch (request.method) {
      case 'PUT':
        return this.#put(blobs, request)
      case 'GET':
      case 'HEAD':
        return getBlob(blobs, request)
      case 'DELETE':
        if (!blobs.delete(request.blob)) throw blobNotFound()
        return { status: 202, headers: {}, body: EMPTY }
      default:
        throw new Refusal(405, 'UnsupportedHttpVerb')
    }
  }

  #put(blobs: Map<string, StoredAzureBlob>, { blob, headers, body }: AzureRequest): FakeAnswer {
    if (headers['x-ms-blob-type'] !== 'BlockBlob') throw new Refusal(400, 'InvalidHeaderValue')
    const md5 = createHash('md5').update(body).digest('base64')
    if ((headers['content-md5'] ?? md5) !== md5)
      throw new Refusal(400, 'Md5Mismatch', 'The MD5 value specified in the request did not match')
    const current = blobs.get(blob)
    const ifMatch = headers['if-match']
    if (headers['if-none-match'] === '*' && current !== undefined)
      throw new Refusal(409, 'BlobAlreadyExists', 'The specified blob already exists.')
    if (ifMatch !== undefined && !/^("[^"]*"|\*)$/.test(ifMatch)) throw new Refusal(400, 'InvalidHeaderValue')
    if (ifMatch !== undefined && ifMatch !== current?.etag) throw new Refusal(412, 'ConditionNotMet')
    const etag = `"0x${(++this.#writes).toString(16).toUpperCase().padStart(15, '0')}"`
    blobs.set(blob, { body, etag, modified: this.#now() })
    return {
      status: 201,
      headers: { etag, 'last-modified': this.#now().toUTCString(), 'content-md5': md5 },
      body: EMPTY,
    }
  }

  #list(blobs: Map<string, StoredAzureBlob>, { query }: AzureRequest): FakeAnswer {
    const prefix = query.get('prefix') ?? ''
    const marker = Buffer.from(query.get('marker') ?? '', 'base64url').toString()
    const from = this.#options.startFrom === false ? '' : (query.get('startFrom') ?? '')
    const limit = Math.min(this.#options.pageSize ?? 5000, Number(query.get('maxresults') ?? 5000))
    const wanted = [...blobs.keys()]
      .filter((name) => name.startsWith(prefix) && name > marker && name >= from)
      .sort()
    const page = wanted.slice(0, limit)
    const entries = page.map((name) => {
      const blob = blobs.get(name)
      return (
        `<Blob><Name>${escapeXml(name)}</Name><Properties><Last-Modified>${blob?.modified.toUTCString() ?? ''}</Last-Modified>` +
        `<Etag>${escapeXml(blob?.etag.replaceAll('"', '') ?? '')}</Etag><Content-Length>${blob?.body.length ?? 0}</Content-Length>` +
        `<BlobType>BlockBlob</BlobType></Properties></Blob>`
      )
    })
    const next = wanted.length > page.length ? Buffer.from(page.at(-1) ?? '').toString('base64url') : ''
    return xml(
      200,
      `<EnumerationResults ServiceEndpoint="${this.endpoint}" ContainerName="c"><Prefix>${escapeXml(prefix)}</Prefix>` +
        `<Blobs>${entries.join('')}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`,
    )
  }
}

interface Signed {
  readonly method: string
  readonly rawPath: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string>>
}

/** learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key */
function stringToSign({ method, rawPath, query, headers }: Signed, account: string): string {
  const length = headers['content-length'] ?? ''
  const standard = [
    ...['content-encoding', 'content-language'].map((name) => headers[name] ?? ''),
    length === '0' ? '' : length,
    ...['content-md5', 'content-type', 'date', 'if-modified-since', 'if-match', 'if-none-match'],
    ...['if-unmodified-since', 'range'],
  ].map((value, at) => (at < 3 ? value : (headers[value] ?? '')))
  const own = Object.keys(headers)
    .filter((name) => name.startsWith('x-ms-'))
    .sort()
    .map((name) => `${name}:${(headers[name] ?? '').trim()}\n`)
  const parameters = [...query].map(([name, value]) => `\n${name.toLowerCase()}:${value}`).sort()
  return `${method}\n${standard.join('\n')}\n${own.join('')}/${account}${rawPath}${parameters.join('')}`
}

function getBlob(blobs: Map<string, StoredAzureBlob>, { method, blob, headers }: AzureRequest): FakeAnswer {
  const found = blobs.get(blob)
  if (found === undefined) throw blobNotFound()
  const { body, etag, modified } = found
  const common = { etag, 'last-modified': modified.toUTCString(), 'x-ms-blob-type': 'BlockBlob' }
  const range = /^bytes=(\d+)-(\d*)$/.exec(headers['x-ms-range'] ?? headers['range'] ?? '')
  if (method === 'HEAD' || range === null)
    return { status: 200, headers: { ...common, 'content-length': String(body.length) }, body }
  const start = Number(range[1])
  const end = range[2] === '' ? body.length - 1 : Math.min(Number(range[2]), body.length - 1)
  if (start >= body.length) {
    if (start === 0) return { status: 200, headers: common, body }
    throw new Refusal(
      416,
      'InvalidRange',
      'The range specified is invalid for the current size of the resource.',
    )
  }
  const part = { ...common, 'content-range': `bytes ${start}-${end}/${body.length}` }
  return { status: 206, headers: part, body: body.subarray(start, end + 1) }
}

function blobNotFound(): Refusal {
  return new Refusal(404, 'BlobNotFound', 'The specified blob does not exist.')
}

function notBelieved(detail: string): Refusal {
  return new Refusal(403, 'AuthenticationFailed', `Server failed to authenticate the request.|${detail}`)
}

function refuse({ status, code, message, headers }: Refusal): FakeAnswer {
  const [text = '', detail] = message.split('|')
  const more =
    detail === undefined ? '' : `<AuthenticationErrorDetail>${escapeXml(detail)}</AuthenticationErrorDetail>`
  const { body, headers: type } = xml(
    status,
    `<Error><Code>${code}</Code><Message>${escapeXml(text)}\nRequestId:0\nTime:0</Message>${more}</Error>`,
  )
  return { status, headers: { ...type, 'x-ms-error-code': code, ...headers }, body }
}

function xml(status: number, document: string): FakeAnswer {
  const body = Buffer.from(`<?xml version="1.0" encoding="utf-8"?>${document}`)
  return { status, headers: { 'content-type': 'application/xml' }, body }
}
