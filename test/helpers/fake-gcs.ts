import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { ServerOptions } from 'node:https'

import type { Fault } from './fake-s3.js'
import { type FakeAnswer, FakeService, Refusal } from './fake-service.js'

export interface GcsRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface StoredGcsObject {
  readonly body: Buffer
  readonly generation: number
  readonly updated: Date
}

export interface FakeGcsOptions {
  readonly buckets?: readonly string[]
  /** Objects in one page of a listing. */
  readonly pageSize?: number
  /** The bearer token that is wanted; default: none. */
  readonly token?: string
  /** Whether `startOffset` of listings is known. */
  readonly startOffset?: boolean
  readonly tls?: ServerOptions
}

type Objects = Map<string, StoredGcsObject>

/** A strict Google Cloud Storage (JSON API) in this process: refuses what Google refuses. */
export class FakeGcs {
  readonly #service: FakeService<GcsRequest>
  readonly #options: FakeGcsOptions
  readonly #buckets: Map<string, Objects>
  #generation = 1_700_000_000_000_000

  private constructor(options: FakeGcsOptions) {
    this.#options = options
    const names = options.buckets ?? ['bucket']
    this.#buckets = new Map(names.map((name) => [name, new Map<string, StoredGcsObject>()]))
    this.#service = new FakeService<GcsRequest>({
      read: (message, raw) => this.#read(message, raw),
      apply: (request) => this.#apply(request),
      refuse,
      now: () => new Date(),
    })
  }

  static async start(options: FakeGcsOptions = {}): Promise<FakeGcs> {
    const fake = new FakeGcs(options)
    await fake.#service.start(options.tls)
    return fake
  }

  get endpoint(): string {
    return this.#service.url
  }

  get requests(): readonly GcsRequest[] {
    return this.#service.requests
  }

  set fault(fault: (request: GcsRequest) => Fault | null) {
    this.#service.fault = fault
  }

  set tamper(tamper: (raw: Buffer) => Buffer) {
    this.#service.tamper = tamper
  }

  objects(bucket = 'bucket'): Objects {
    return this.#buckets.get(bucket) ?? new Map<string, StoredGcsObject>()
  }

  async stop(): Promise<void> {
    await this.#service.stop()
  }

  #read(message: IncomingMessage, body: Buffer): GcsRequest {
    const [path = '/', rawQuery = ''] = (message.url ?? '/').split('?')
    const headers = Object.fromEntries(
      Object.entries(message.headers).map(([name, value]) => [name, [value ?? ''].flat().join(', ')]),
    )
    const { token } = this.#options
    if (token !== undefined && headers['authorization'] !== `Bearer ${token}`)
      throw headers['authorization'] === undefined
        ? new Refusal(401, 'required', 'Anonymous caller does not have storage.objects access')
        : new Refusal(401, 'authError', 'Invalid Credentials')
    if (headers['content-length'] === undefined && body.length > 0) throw new Refusal(411, 'lengthRequired')
    return { method: message.method ?? 'GET', path, query: new URLSearchParams(rawQuery), headers, body }
  }

  #apply(request: GcsRequest): FakeAnswer {
    const { method, path } = request
    const [, upload, bucket = '', object] =
      /^(\/upload)?\/storage\/v1\/b\/([^/]+)\/o(?:\/([^/]+))?$/.exec(path) ?? []
    if (bucket === '') throw new Refusal(404, 'notFound', 'Not Found')
    const objects = this.#buckets.get(decodeURIComponent(bucket))
    if (objects === undefined) throw new Refusal(404, 'notFound', 'The specified bucket does not exist.')
    if (upload !== undefined && method === 'POST') return this.#upload(objects, request)
    if (object === undefined && method === 'GET') return this.#list(objects, request.query)
    const name = decodeURIComponent(object ?? '')
    if (object === undefined || !['GET', 'DELETE'].includes(method))
      throw new Refusal(405, 'methodNotAllowed')
    const found = objects.get(name)
    if (found === undefined) throw new Refusal(404, 'notFound', `No such object: ${bucket}/${name}`)
    if (method === 'DELETE') {
      objects.delete(name)
      return { status: 204, headers: {}, body: Buffer.alloc(0) }
    }
    return request.query.get('alt') === 'media' ? media(found, request) : json(200, resource(name, found))
  }

  #upload(objects: Objects, { query, headers, body }: GcsRequest): FakeAnswer {
    // A resumable upload that breaks off leaves a session behind.
    if (query.get('uploadType') !== 'multipart') throw new Refusal(400, 'invalid', 'only multipart uploads')
    const [, boundary] = /^multipart\/related; boundary=([\w-]+)$/.exec(headers['content-type'] ?? '') ?? []
    const [metadata, content, ...others] = boundary === undefined ? [] : partsOf(body, `--${boundary}`)
    if (metadata === undefined || content === undefined || others.length > 0)
      throw new Refusal(400, 'badContent', 'Malformed multipart body.')
    const about: unknown = JSON.parse(metadata.toString())
    const name = query.get('name') ?? String(Reflect.get(Object(about), 'name'))
    if (Buffer.byteLength(name) > 1024) throw new Refusal(400, 'invalid')
    const md5 = String(Reflect.get(Object(about), 'md5Hash') ?? '')
    const actual = createHash('md5').update(content).digest('base64')
    if (md5 !== '' && md5 !== actual)
      throw new Refusal(
        400,
        'invalid',
        `Provided MD5 hash "${md5}" doesn't match calculated MD5 hash "${actual}".`,
      )
    const wanted = query.get('ifGenerationMatch')
    if (wanted !== null && !/^\d+$/.test(wanted)) throw new Refusal(400, 'invalid', 'Invalid generation')
    if (wanted !== null && Number(wanted) !== (objects.get(name)?.generation ?? 0))
      throw new Refusal(
        412,
        'conditionNotMet',
        'At least one of the pre-conditions you specified did not hold.',
      )
    const stored = { body: Buffer.from(content), generation: this.#generation++, updated: new Date() }
    objects.set(name, stored)
    return json(200, resource(name, stored))
  }

  #list(objects: Objects, query: URLSearchParams): FakeAnswer {
    const prefix = query.get('prefix') ?? ''
    const after = Buffer.from(query.get('pageToken') ?? '', 'base64url').toString()
    const from = this.#options.startOffset === false ? '' : (query.get('startOffset') ?? '')
    const limit = Math.min(this.#options.pageSize ?? 1000, Number(query.get('maxResults') ?? 1000))
    const wanted = [...objects.keys()]
      .filter((name) => name.startsWith(prefix) && name > after && name >= from)
      .sort()
    const page = wanted.slice(0, limit)
    const items = page.flatMap((name) => {
      const found = objects.get(name)
      return found === undefined ? [] : [resource(name, found)]
    })
    const next =
      wanted.length > page.length
        ? { nextPageToken: Buffer.from(page.at(-1) ?? '').toString('base64url') }
        : {}
    return json(200, { kind: 'storage#objects', ...(items.length > 0 && { items }), ...next })
  }
}

function partsOf(body: Buffer, delimiter: string): Buffer[] {
  const parts: Buffer[] = []
  let at = body.indexOf(delimiter)
  for (;;) {
    const start = at + delimiter.length
    if (at < 0 || body.toString('latin1', start, start + 2) === '--') return parts
    const end = body.indexOf(`\r\n${delimiter}`, start)
    const content = body.indexOf('\r\n\r\n', start)
    if (end < 0 || content < 0) return []
    parts.push(body.subarray(content + 4, end))
    at = end + 2
  }
}

function resource(name: string, { body, generation, updated }: StoredGcsObject) {
  return { name, size: String(body.length), generation: String(generation), updated: updated.toISOString() }
}

function media({ body, generation }: StoredGcsObject, { headers }: GcsRequest): FakeAnswer {
  const common = { 'x-goog-generation': String(generation), 'content-type': 'application/octet-stream' }
  const range = /^bytes=(\d+)-(\d+)$/.exec(headers['range'] ?? '')
  if (range === null) return { status: 200, headers: common, body }
  const start = Number(range[1])
  if (start >= body.length) throw new Refusal(416, 'requestedRangeNotSatisfiable')
  const end = Math.min(Number(range[2]), body.length - 1)
  const part = { ...common, 'content-range': `bytes ${start}-${end}/${body.length}` }
  return { status: 206, headers: part, body: body.subarray(start, end + 1) }
}

function refuse({ status, code, message, headers }: Refusal): FakeAnswer {
  const error = { code: status, message, errors: [{ message, domain: 'global', reason: code }] }
  const answer = json(status, { error })
  return { ...answer, headers: { ...answer.headers, ...headers } }
}

function json(status: number, document: object): FakeAnswer {
  const body = Buffer.from(JSON.stringify(document))
  return { status, headers: { 'content-type': 'application/json; charset=UTF-8' }, body }
}
