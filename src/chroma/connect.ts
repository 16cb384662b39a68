import { RetryExhausted } from '../core/retry.js'
import { answerError } from './answer-error.js'
import type { Answer } from './connection.js'
import { ChromaUnavailableError, NotChromaError, V1OnlyError } from './errors.js'
import { HttpTransport } from './http-transport.js'
import { HEARTBEAT_PATH } from './server-link.js'
import { defaultServerOptions, type ChromaTransport, type ServerOptions } from './transport.js'

/** First contact ends after this long, or 5 s after the connect timeout if that is longer. */
export const FIRST_CONTACT_MS = 15_000

/**
 * First contact: asks for a heartbeat and tells in seconds what is wrong, with a {@link ChromaUnavailableError},
 * ChromaTlsError, ChromaAuthError, {@link NotChromaError}, {@link V1OnlyError} or UsageError.
 */
export async function connectTransport(options: ServerOptions): Promise<ChromaTransport> {
  const transport = new HttpTransport(options)
  try {
    await firstContact(transport, options)
    await transport.warm(options.signal)
    return transport
  } catch (error) {
    await transport.close()
    throw error
  }
}

async function firstContact(transport: HttpTransport, options: ServerOptions): Promise<void> {
  const policy = transport.retryPolicy
  const connectTimeoutMs = options.connectTimeoutMs ?? defaultServerOptions.connectTimeoutMs
  const deadlineMs = Math.max(FIRST_CONTACT_MS, connectTimeoutMs + 5_000)
  transport.useRetryPolicy({ ...policy, deadlineMs: Math.min(deadlineMs, policy.deadlineMs ?? deadlineMs) })
  const ask = (path: string) =>
    transport.ask({
      method: 'GET',
      path,
      idempotent: true,
      signal: options.signal,
      timeoutMs: connectTimeoutMs,
    })
  try {
    const answer = await ask(HEARTBEAT_PATH)
    if (isHeartbeat(answer)) return
    if (answer.status === 404 && isHeartbeat(await ask('/api/v1/heartbeat'))) {
      throw new V1OnlyError(`the Chroma server at ${transport.displayUrl} has only API v1`, {
        status: answer.status,
        hint: 'chroma-ops needs Chroma 1.x, which has API v2: upgrade the server, after a copy of its data directory',
      })
    }
    throw strangerError(answer, transport.displayUrl)
  } catch (error) {
    throw unwrapped(error)
  } finally {
    transport.useRetryPolicy(policy)
  }
}

function isHeartbeat({ status, body }: Answer): boolean {
  return status === 200 && body.length < 1000 && body.toString('utf8').includes('"nanosecond heartbeat"')
}

function strangerError(answer: Answer, displayUrl: string): Error {
  const { status } = answer
  if (status >= 300 && status !== 404) return answerError(answer, `GET ${HEARTBEAT_PATH} at ${displayUrl}`, 0)
  const type = answer.headers['content-type'] ?? 'nothing'
  const what = type.includes('html') ? 'a web page' : type.includes('json') ? 'other JSON' : type
  return new NotChromaError(
    `no Chroma at ${displayUrl}: it answers ${HEARTBEAT_PATH} with ${what} (${status})`,
    {
      status,
      hint: 'check host and port, and whether a proxy wants a path prefix in the URL, as in https://host/chroma',
    },
  )
}

/** Nobody asks about attempts when the address is wrong: the failure itself, with the attempts behind it. */
function unwrapped(error: unknown): unknown {
  if (!(error instanceof RetryExhausted) || !(error.lastError instanceof ChromaUnavailableError)) return error
  const { lastError, attempts } = error
  const { status, finding, hint } = lastError
  const tries = attempts === 1 ? '' : ` (${attempts} attempts)`
  return new ChromaUnavailableError(`${lastError.message}${tries}`, {
    status,
    hint,
    cause: error,
    ...(finding === null ? {} : { finding }),
  })
}
