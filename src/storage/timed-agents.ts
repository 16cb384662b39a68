import type { Agent as HttpAgent, ClientRequestArgs } from 'node:http'
import type { Agent as HttpsAgent, RequestOptions } from 'node:https'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

import { type Created, HttpsTunnelAgent, HttpTunnelAgent, type ProxyChoice } from './tunnel-agent.js'

export interface ConnectionLimits {
  /** Connections at most; default 16. */
  readonly maxSockets?: number | undefined
  /** Milliseconds; default 10 s. */
  readonly connectTimeoutMs?: number | undefined
  /** Milliseconds without a byte in either direction; default 60 s. */
  readonly idleTimeoutMs?: number | undefined
}

export interface TimedAgents {
  readonly http: HttpAgent
  readonly https: HttpsAgent
  destroy(): void
}

/** Kept connections, with or without a proxy, that fail with ETIMEDOUT when nothing moves for too long. */
export function timedAgents(limits: ConnectionLimits, choice: ProxyChoice = () => null): TimedAgents {
  const { maxSockets = 16, connectTimeoutMs = 10_000, idleTimeoutMs = 60_000 } = limits
  const times = { connectMs: connectTimeoutMs, idleMs: idleTimeoutMs }
  const options = { keepAlive: true, maxSockets, timeout: idleTimeoutMs }
  const http = new TimedHttpAgent(choice, options, times)
  const https = new TimedHttpsAgent(choice, options, times)
  return {
    http,
    https,
    destroy: () => {
      http.destroy()
      https.destroy()
    },
  }
}

interface Times {
  readonly connectMs: number
  readonly idleMs: number
}

type Limits = ConstructorParameters<typeof HttpTunnelAgent>[1]

class TimedHttpAgent extends HttpTunnelAgent {
  readonly #times: Times

  constructor(choice: ProxyChoice, limits: Limits, times: Times) {
    super(choice, limits)
    this.#times = times
  }

  override createConnection(options: ClientRequestArgs, created?: Created): Duplex | null | undefined {
    return watched(super.createConnection(options, watching(created, this.#times)), this.#times)
  }
}

class TimedHttpsAgent extends HttpsTunnelAgent {
  readonly #times: Times

  constructor(choice: ProxyChoice, limits: Limits, times: Times) {
    super(choice, limits)
    this.#times = times
  }

  override createConnection(options: RequestOptions, created?: Created): Duplex | null | undefined {
    return watched(super.createConnection(options, watching(created, this.#times)), this.#times)
  }
}

function watching(created: Created | undefined, times: Times): Created {
  return (error, stream) => created?.(error, error === null ? (watched(stream, times) ?? stream) : stream)
}

/** A socket that comes through a proxy is connected already. */
function watched(stream: Duplex | null | undefined, { connectMs, idleMs }: Times) {
  if (!(stream instanceof Socket)) return stream
  const { connecting } = stream
  const limit = connecting ? connectMs : idleMs
  stream.setTimeout(limit)
  if (connecting) stream.once('connect', () => stream.setTimeout(idleMs))
  stream.once('timeout', () => {
    const error = new Error(
      stream.connecting ? `no connection within ${connectMs} ms` : `no byte for ${idleMs} ms`,
    )
    stream.destroy(Object.assign(error, { code: 'ETIMEDOUT' }))
  })
  return stream
}
