import { Agent as HttpAgent, request as httpRequest, type ClientRequestArgs } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https'
import { isIPv6, Socket } from 'node:net'
import type { Duplex } from 'node:stream'

import { asError } from '../core/errors.js'
import type { S3Agents } from './s3-client.js'

/** A proxy that opens tunnels with CONNECT. */
export interface StoreProxy {
  readonly secure: boolean
  readonly host: string
  readonly port: number
  /** Without credentials. */
  readonly displayUrl: string
  /** `Basic …`, or null. */
  readonly authorization: string | null
}

export interface Endpoint {
  readonly secure: boolean
  readonly host: string
  readonly port: number
}

/** The proxy for an endpoint, or null for the direct way; asked for each new connection. */
export type ProxyChoice = (endpoint: Endpoint) => StoreProxy | null

export function proxyAgents(choice: ProxyChoice | undefined, maxSockets = 16): S3Agents {
  if (choice === undefined) return { http: null, https: null }
  const options = { keepAlive: true, maxSockets }
  return { http: new HttpTunnelAgent(choice, options), https: new HttpsTunnelAgent(choice, options) }
}

export interface Limits {
  readonly keepAlive: boolean
  readonly maxSockets: number
  /** Milliseconds without a byte, for sockets that wait for their next request. */
  readonly timeout?: number
}

export type Created = (error: Error | null, stream: Duplex) => void

/** Connections of http, through a proxy where one is chosen. */
export class HttpTunnelAgent extends HttpAgent {
  readonly #choice: ProxyChoice

  constructor(choice: ProxyChoice, limits: Limits) {
    super(limits)
    this.#choice = choice
  }

  override createConnection(options: ClientRequestArgs, created?: Created): Duplex | null | undefined {
    const endpoint = endpointOf(options, false)
    const proxy = this.#choice(endpoint)
    if (proxy === null) return super.createConnection(options, created)
    openTunnel(proxy, endpoint).then(
      (socket) => created?.(null, socket),
      (error: unknown) => created?.(asError(error), new Socket()),
    )
    return undefined
  }
}

/** Connections of https, through a proxy where one is chosen. */
export class HttpsTunnelAgent extends HttpsAgent {
  readonly #choice: ProxyChoice

  constructor(choice: ProxyChoice, limits: Limits) {
    super(limits)
    this.#choice = choice
  }

  override createConnection(options: RequestOptions, created?: Created): Duplex | null | undefined {
    const endpoint = endpointOf(options, true)
    const proxy = this.#choice(endpoint)
    if (proxy === null) return super.createConnection(options, created)
    openTunnel(proxy, endpoint).then(
      (socket) => {
        const inside = { ...options, socket }
        const secured = super.createConnection(inside, created)
        if (secured) created?.(null, secured)
      },
      (error: unknown) => created?.(asError(error), new Socket()),
    )
    return undefined
  }
}

function endpointOf({ host, port }: ClientRequestArgs, secure: boolean): Endpoint {
  return { secure, host: host ?? '', port: Number(port ?? (secure ? 443 : 80)) }
}

/** `CONNECT host:port` (RFC 9110, 9.3.6). Failures carry ECONNREFUSED: nothing has reached the store. */
function openTunnel(proxy: StoreProxy, { host, port }: Endpoint): Promise<Duplex> {
  const target = `${isIPv6(host) ? `[${host}]` : host}:${port}`
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => {
      const error = new Error(`proxy ${proxy.displayUrl}: ${reason}`)
      reject(Object.assign(error, { code: 'ECONNREFUSED' }))
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
    })
    request.once('connect', ({ statusCode = 0, statusMessage = '' }, socket, head) => {
      if (statusCode !== 200) {
        socket.destroy()
        fail(`refused a tunnel to ${target} (${statusCode} ${statusMessage})`)
        return
      }
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    request.once('response', ({ statusCode = 0 }) => {
      request.destroy()
      fail(`is no proxy for tunnels (${statusCode})`)
    })
    request.once('error', (error) => fail(error.message))
    request.end()
  })
}
