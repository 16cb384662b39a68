import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect as tcpConnect, isIPv6, type Socket } from 'node:net'
import { connect as tlsConnect, type ConnectionOptions } from 'node:tls'

import { asError } from '../core/errors.js'
import type { Proxy } from './proxy.js'
import type { ServerAddress } from './server-url.js'

/** Opens one connection; the promise rejects with {@link ConnectFailure}. */
export type Connector = (signal: AbortSignal) => Promise<Socket>

/** A connection could not be made, so nothing was sent to the server. */
export class ConnectFailure extends Error {
  readonly phase: 'tcp' | 'proxy' | 'tls' | 'timeout'

  constructor(phase: ConnectFailure['phase'], cause: Error) {
    super(cause.message, { cause })
    this.phase = phase
  }
}

export interface ConnectorJob {
  readonly server: ServerAddress
  /** Null for plain HTTP. */
  readonly tls: ConnectionOptions | null
  readonly proxy: Proxy | null
  /** For the whole way: name, TCP, proxy, TLS. */
  readonly timeoutMs: number
}

/** What a socket reads at once. Node's own 16 KiB makes large answers a third slower. */
const READ_BYTES = 64 * 1024

export function createConnector(job: ConnectorJob): Connector {
  return async (signal) => {
    const limit = new AbortController()
    const timer = setTimeout(() => limit.abort(), job.timeoutMs)
    const either = AbortSignal.any([signal, limit.signal])
    try {
      const plain = await (job.proxy === null ? direct(job.server, either) : tunnel(job, job.proxy, either))
      plain.setNoDelay(true)
      plain.setKeepAlive(true, 60_000)
      return job.tls === null ? plain : await secure(plain, job.server, job.tls, either)
    } catch (error) {
      if (!limit.signal.aborted) throw error
      throw new ConnectFailure('timeout', new Error(`no connection within ${job.timeoutMs / 1000} s`))
    } finally {
      clearTimeout(timer)
    }
  }
}

async function direct({ host, port }: ServerAddress, signal: AbortSignal): Promise<Socket> {
  const options = { host, port, autoSelectFamily: true, highWaterMark: READ_BYTES }
  return settled(tcpConnect(options), 'connect', 'tcp', signal)
}

async function secure(
  plain: Socket,
  { host }: ServerAddress,
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<Socket> {
  const socket = tlsConnect({ ...options, host, socket: plain })
  return settled(socket, 'secureConnect', 'tls', signal)
}

/** Resolves at `event`; on failure or abort the socket is destroyed. */
function settled<T extends Socket>(
  socket: T,
  event: 'connect' | 'secureConnect',
  phase: ConnectFailure['phase'],
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const finish = (error: Error | null) => {
      signal.removeEventListener('abort', onAbort)
      socket.off(event, onDone).off('error', onError).off('close', onClose)
      if (error === null) {
        resolve(socket)
        return
      }
      // A late error of a socket nobody uses any more must not end the process.
      socket.on('error', () => {}).destroy()
      reject(new ConnectFailure(phase, error))
    }
    const onDone = () => finish(null)
    const onError = (error: Error) => finish(error)
    const onClose = () => finish(new Error('the other side closed the connection'))
    const onAbort = () => finish(asError(signal.reason))
    socket.on(event, onDone).on('error', onError).on('close', onClose)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
}

/** A tunnel through a proxy: `CONNECT host:port` (RFC 9110, 9.3.6). */
function tunnel({ server }: ConnectorJob, proxy: Proxy, signal: AbortSignal): Promise<Socket> {
  const target = `${isIPv6(server.host) ? `[${server.host}]` : server.host}:${server.port}`
  return new Promise((resolve, reject) => {
    const fail = (message: string, cause?: Error) => {
      reject(new ConnectFailure('proxy', new Error(`proxy ${proxy.displayUrl}: ${message}`, { cause })))
    }
    const request = (proxy.secure ? httpsRequest : httpRequest)({
      host: proxy.host,
      port: proxy.port,
      method: 'CONNECT',
      path: target,
      headers: {
        host: target,
        ...(proxy.authorization === null ? {} : { 'proxy-authorization': proxy.authorization }),
      },
      agent: false,
      signal,
    })
    request.once('connect', (response, socket, head) => {
      if (response.statusCode !== 200) {
        socket.destroy()
        fail(`refused a tunnel to ${target} (${response.statusCode ?? 0} ${response.statusMessage ?? ''})`)
        return
      }
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    request.once('response', (response) => {
      response.destroy()
      fail(`answered CONNECT like an ordinary request (${response.statusCode ?? 0})`)
    })
    request.once('error', (error) => fail(error.message, error))
    request.end()
  })
}
