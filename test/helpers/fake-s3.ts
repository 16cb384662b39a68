import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerOptions } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'

import {
  answerRequest,
  type BucketRules,
  escapeXml,
  type Objects,
  type S3Answer,
  type StoredObject,
} from './fake-s3-bucket.js'
import { S3Refusal, type S3Request, verifyRequest } from './fake-s3-request.js'
import { withFlippedBit } from './faulty-store.js'
import { startHttpServer, type TestServer } from './http-server.js'

export type Fault =
  /** Refused before anything happens. */
  | {
      readonly kind: 'status'
      readonly status: number
      readonly code: string
      readonly headers?: Readonly<Record<string, string>>
    }
  /** The connection is cut before anything happens. */
  | { readonly kind: 'reset' }
  /** Done, but the connection is cut before the answer. */
  | { readonly kind: 'lose-answer' }
  /** Done after a pause. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** Half of the answer's body, then the connection is cut. */
  | { readonly kind: 'cut' }
  /** Half of the answer's body, then silence. */
  | { readonly kind: 'stall' }
  /** One bit of the answer's body is changed on the way. */
  | { readonly kind: 'flip' }

export interface FakeS3Options extends Partial<Pick<BucketRules, 'conditions' | 'pageSize'>> {
  readonly buckets?: readonly string[]
  readonly region?: string
  /** What the server's clock is ahead of the machine's. */
  readonly clockAheadMs?: number
  /** Certificate and key of an https server. */
  readonly tls?: ServerOptions
  /** Whether `x-amz-checksum-*` is understood; a service that does not answers 501. */
  readonly checksums?: boolean
}

/** A strict S3 in this process: refuses what S3 refuses, and breaks when told to. */
export class FakeS3 {
  readonly credentials = { accessKeyId: 'test-key', secretAccessKey: 'test-secret' }
  /** What arrived with a right signature, in order. */
  readonly requests: S3Request[] = []
  /** Asked for each request; null: no fault. */
  fault: (request: S3Request) => Fault | null = () => null
  readonly #options: FakeS3Options
  readonly #buckets: Map<string, Objects>
  #server: TestServer | null = null

  private constructor(options: FakeS3Options) {
    this.#options = options
    const names = options.buckets ?? ['bucket']
    this.#buckets = new Map(names.map((name) => [name, new Map<string, StoredObject>()]))
  }

  static async start(options: FakeS3Options = {}): Promise<FakeS3> {
    const fake = new FakeS3(options)
    fake.#server = await startHttpServer(
      (request, response) => void fake.#handle(request, response),
      options.tls,
    )
    return fake
  }

  get endpoint(): string {
    return this.#server?.url ?? ''
  }

  objects(bucket = 'bucket'): Objects {
    return this.#buckets.get(bucket) ?? new Map<string, StoredObject>()
  }

  async stop(): Promise<void> {
    await this.#server?.close()
  }

  async #handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const raw = Buffer.concat(await message.toArray())
      const request = verifyRequest(message, raw, {
        ...this.credentials,
        region: this.#region,
        now: this.#now(),
      })
      this.requests.push(request)
      await this.#answer(request, response)
    } catch (error) {
      this.#refuse(message, response, error)
    }
  }

  async #answer(request: S3Request, response: ServerResponse): Promise<void> {
    const fault = this.fault(request)
    if (fault?.kind === 'status') throw new S3Refusal(fault.status, fault.code, fault.code, fault.headers)
    if (fault?.kind === 'slow') await delay(fault.ms, undefined, { ref: false })
    if (fault?.kind === 'reset') {
      response.destroy()
      return
    }
    const answer = this.#apply(request)
    if (fault?.kind === 'lose-answer') {
      response.destroy()
      return
    }
    if (fault?.kind === 'flip' && answer.body.length > 0) {
      const body = withFlippedBit(answer.body, answer.body.length * 4)
      await this.#send(request, response, { ...answer, body }, null)
      return
    }
    const isBroken = fault?.kind === 'cut' || fault?.kind === 'stall'
    await this.#send(request, response, answer, isBroken ? fault.kind : null)
  }

  #apply(request: S3Request): S3Answer {
    const objects = this.#buckets.get(request.bucket)
    if (objects === undefined) throw new S3Refusal(404, 'NoSuchBucket', 'The specified bucket does not exist')
    if (this.#options.checksums === false && Object.keys(request.checksums).length > 0)
      throw new S3Refusal(501, 'NotImplemented', "Header 'x-amz-checksum-sha256' not implemented")
    const { conditions = 'kept', pageSize = 1000 } = this.#options
    return answerRequest(objects, request, { conditions, pageSize, now: () => this.#now() })
  }

  async #send(
    { method }: S3Request,
    response: ServerResponse,
    { status, headers, body }: S3Answer,
    fault: 'cut' | 'stall' | null,
  ): Promise<void> {
    response.writeHead(status, { ...headers, 'content-length': body.length, date: this.#now().toUTCString() })
    const content = method === 'HEAD' ? Buffer.alloc(0) : body
    if (fault === null) {
      response.end(content)
      return
    }
    await new Promise<void>((resolve) => {
      response.write(content.subarray(0, Math.floor(content.length / 2)), () => resolve())
    })
    // Let what was written reach the client before the cut.
    await delay(20)
    if (fault === 'cut') response.destroy()
  }

  #refuse(message: IncomingMessage, response: ServerResponse, error: unknown): void {
    if (response.headersSent || response.destroyed) {
      response.destroy()
      return
    }
    const refusal = error instanceof S3Refusal ? error : new S3Refusal(500, 'InternalError', String(error))
    const body = `<?xml version="1.0"?><Error><Code>${refusal.code}</Code><Message>${escapeXml(refusal.message)}</Message></Error>`
    response.writeHead(refusal.status, {
      ...refusal.headers,
      'content-type': 'application/xml',
      date: this.#now().toUTCString(),
    })
    response.end(message.method === 'HEAD' ? undefined : body)
  }

  get #region(): string {
    return this.#options.region ?? 'us-east-1'
  }

  #now(): Date {
    return new Date(Date.now() + (this.#options.clockAheadMs ?? 0))
  }
}

/** The first `count` requests that match get the fault. */
export function times(count: number, fault: Fault, matches: (request: S3Request) => boolean = () => true) {
  let left = count
  return (request: S3Request): Fault | null => {
    if (left === 0 || !matches(request)) return null
    left--
    return fault
  }
}
