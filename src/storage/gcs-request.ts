import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'

import { asError } from '../core/errors.js'
import type { GcsConnection } from './gcs-client.js'

export interface GcsRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Below the endpoint, each segment encoded: `/storage/v1/b/bucket/o`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: readonly Uint8Array[]
  /** Refuses a body of more bytes before it is read; default: documents of up to 64 MiB. */
  readonly assertSize?: (bytes: number) => void
}

export interface GcsAnswer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** A body that ended before its length was reached. */
export class CutAnswer extends Error {}

/** What @google-cloud/auth said instead of giving credentials. */
export class SignInFailure extends Error {}

const MAX_DOCUMENT = 64 * 1024 * 1024

/**
 * One request of the JSON API (cloud.google.com/storage/docs/json_api), sent once. The SDK's own calls can be
 * neither stopped by a signal nor timed out while they upload, so that only its credentials are used.
 */
export async function sendRequest(
  connection: GcsConnection,
  request: GcsRequest,
  signal: AbortSignal | undefined,
): Promise<GcsAnswer> {
  const authorization = await unlessAborted(authorized(connection), signal)
  const { endpoint, agents } = connection
  const url = new URL(endpoint.pathname.replace(/\/+$/, '') + request.path, endpoint)
  for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value)
  const length = (request.body ?? []).reduce((sum, part) => sum + part.length, 0)
  const secure = url.protocol === 'https:'
  return new Promise((resolve, reject) => {
    const call = (secure ? httpsRequest : httpRequest)(url, {
      method: request.method,
      agent: secure ? agents.https : agents.http,
      headers: { ...request.headers, ...authorization, 'content-length': length },
      ...(signal === undefined ? {} : { signal }),
    })
    call.once('error', reject)
    call.once('response', (response) => {
      readAnswer(response, request.assertSize ?? refuseOver(MAX_DOCUMENT)).then(resolve, (error: unknown) => {
        response.destroy()
        reject(asError(error))
      })
    })
    for (const part of request.body ?? []) call.write(part)
    call.end()
  })
}

async function authorized({ authorize }: GcsConnection): Promise<Readonly<Record<string, string>>> {
  try {
    return await authorize()
  } catch (error) {
    throw new SignInFailure(asError(error).message, { cause: error })
  }
}

async function readAnswer(
  response: IncomingMessage,
  assertSize: (bytes: number) => void,
): Promise<GcsAnswer> {
  const { statusCode: status = 0, headers } = response
  const announced = headers['content-length'] === undefined ? null : Number(headers['content-length'])
  const assert = status < 300 ? assertSize : refuseOver(MAX_DOCUMENT)
  assert(announced ?? 0)
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue
    length += chunk.length
    assert(length)
    chunks.push(chunk)
  }
  if (announced !== null && length !== announced)
    throw new CutAnswer(`only ${length} of ${announced} bytes arrived`)
  return {
    status,
    headers,
    body: chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks, length),
  }
}

function refuseOver(limit: number): (bytes: number) => void {
  return (bytes) => {
    if (bytes > limit) throw new CutAnswer(`an answer of more than ${limit} bytes`)
  }
}

/** The SDK takes no signal where it asks for a token. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const stop = () => reject(asError(signal.reason))
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
