import { createServer } from 'node:http'
import { connect } from 'node:net'

import { closeServer, listen } from './http-server.js'

export interface ConnectProxy {
  readonly url: string
  /** `host:port` of every tunnel that was opened, in order. */
  readonly tunnels: readonly string[]
  /** Ordinary requests that came instead of CONNECT. */
  readonly plainRequests: number
  close(): Promise<void>
}

/**
 * An HTTP proxy that only opens tunnels. Whatever host the client names, the tunnel leads to the port on
 * 127.0.0.1: so a test can use a name that only the proxy knows.
 */
export async function startConnectProxy(
  options: {
    /** Wanted in Proxy-Authorization, `user:password`; default: nothing is wanted. */
    readonly credentials?: string
    /** Refuse every tunnel with this status. */
    readonly refuse?: number
  } = {},
): Promise<ConnectProxy> {
  const tunnels: string[] = []
  let plainRequests = 0
  const server = createServer((_request, response) => {
    plainRequests++
    response.writeHead(405).end()
  })
  const expected =
    options.credentials === undefined
      ? undefined
      : `Basic ${Buffer.from(options.credentials).toString('base64')}`

  server.on('connect', (request, client, head) => {
    client.on('error', () => client.destroy())
    if (options.refuse !== undefined) {
      client.end(`HTTP/1.1 ${options.refuse} Refused\r\n\r\n`)
      return
    }
    if (expected !== undefined && request.headers['proxy-authorization'] !== expected) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n')
      return
    }
    const target = request.url ?? ''
    const port = Number(target.slice(target.lastIndexOf(':') + 1))
    const upstream = connect(port, '127.0.0.1', () => {
      tunnels.push(target)
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.write(head)
      upstream.pipe(client).pipe(upstream)
    })
    upstream.on('error', () => client.destroy())
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
  })
  const port = await listen(server)
  return {
    url: `http://127.0.0.1:${port}`,
    tunnels,
    get plainRequests() {
      return plainRequests
    },
    close: async () => {
      server.closeAllConnections()
      await closeServer(server)
    },
  }
}
