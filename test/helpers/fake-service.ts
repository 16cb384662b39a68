import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerOptions } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'

import type { Fault } from './fake-s3.js'
import { withFlippedBit } from './faulty-store.js'
import { startHttpServer, type TestServer } from './http-server.js'

export interface FakeAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** What the service answers with an error document instead of doing the work. */
export class Refusal extends Error {
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

/** What one kind of service does; {@link FakeService} gives it a server, and breaks it. */
export interface ServiceRules<R> {
  /** Throws a {@link Refusal} for a request that the service does not believe. */
  read(message: IncomingMessage, raw: Buffer): R
  apply(request: R): FakeAnswer
  refuse(refusal: Refusal): FakeAnswer
  now(): Date
}

export interface FakeRequest {
  readonly method: string
}

/** A service in this process that breaks when told to. */
export class FakeService<R extends FakeRequest> {
  /** What arrived and was believed, in order. */
  readonly requests: R[] = []
  /** Asked for each request; null: no fault. */
  fault: (request: R) => Fault | null = () => null
  /** Changes the bytes of each request on their way to the service. */
  tamper: (raw: Buffer) => Buffer = (raw) => raw
  readonly #rules: ServiceRules<R>
  #server: TestServer | null = null

  constructor(rules: ServiceRules<R>) {
    this.#rules = rules
  }

  async start(tls?: ServerOptions): Promise<void> {
    this.#server = await startHttpServer((request, response) => void this.#handle(request, response), tls)
  }

  get url(): string {
    return this.#server?.url ?? ''
  }

  async stop(): Promise<void> {
    await this.#server?.close()
  }

  async #handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const raw = this.tamper(Buffer.concat(await message.toArray()))
      const request = this.#rules.read(message, raw)
      this.requests.push(request)
      await this.#answer(request, response)
    } catch (error) {
      if (response.headersSent || response.destroyed) {
        response.destroy()
        return
      }
      const refusal = error instanceof Refusal ? error : new Refusal(500, 'InternalError', String(error))
      await this.#send(message.method ?? 'GET', response, this.#rules.refuse(refusal), null)
    }
  }

  async #answer(request: R, response: ServerResponse): Promise<void> {
    const fault = this.fault(request)
    if (fault?.kind === 'status') throw new Refusal(fault.status, fault.code, fault.code, fault.headers)
    if (fault?.kind === 'slow') await delay(fault.ms, undefined, { ref: false })
    if (fault?.kind === 'reset') {
      response.destroy()
      return
    }
    const answer = this.#rules.apply(request)
    if (fault?.kind === 'lose-answer') {
      response.destroy()
      return
    }
    const body =
      fault?.kind === 'flip' && answer.body.length > 0
        ? withFlippedBit(answer.body, answer.body.length * 4)
        : answer.body
    const isBroken = fault?.kind === 'cut' || fault?.kind === 'stall'
    await this.#send(request.method, response, { ...answer, body }, isBroken ? fault.kind : null)
  }

  async #send(
    method: string,
    response: ServerResponse,
    { status, headers, body }: FakeAnswer,
    fault: 'cut' | 'stall' | null,
  ): Promise<void> {
    const length = status === 204 ? {} : { 'content-length': body.length }
    response.writeHead(status, { ...length, ...headers, date: this.#rules.now().toUTCString() })
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
}

/** The first `count` requests that match get the fault. */
export function firstTimes<R>(count: number, fault: Fault, matches: (request: R) => boolean = () => true) {
  let left = count
  return (request: R): Fault | null => {
    if (left === 0 || !matches(request)) return null
    left--
    return fault
  }
}
