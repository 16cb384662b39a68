import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, type ServerOptions } from 'node:https'
import type { AddressInfo, Server } from 'node:net'

export interface TestServer {
  /** `http://127.0.0.1:port`. */
  readonly url: string
  readonly port: number
  /** Connections accepted so far. */
  readonly connections: number
  /** Ends every connection, idle or not; the server goes on listening. */
  dropConnections(): void
  close(): Promise<void>
}

/** A server on a free loopback port. With `tls` it speaks https. */
export async function startHttpServer(handler: RequestListener, tls?: ServerOptions): Promise<TestServer> {
  const server = tls === undefined ? createServer(handler) : createSecureServer(tls, handler)
  let connections = 0
  // On a busy machine the default of 5 s ends connections at the moment that they are used again.
  server.keepAliveTimeout = 120_000
  server.on('connection', () => connections++)
  const port = await listen(server)
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    get connections() {
      return connections
    },
    dropConnections: () => server.closeAllConnections(),
    close: () => {
      server.closeAllConnections()
      return closeServer(server)
    },
  }
}

/** Answers heartbeats as Chroma does; everything else goes to `others`. */
export function chromaLike(others: RequestListener): RequestListener {
  return (request, response) => {
    if (request.url === '/api/v2/heartbeat') answerJson(response, '{"nanosecond heartbeat":1}')
    else others(request, response)
  }
}

export function answerJson(response: ServerResponse, body: string, status = 200): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  })
  response.end(body)
}

export function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.once('end', () => resolve(Buffer.concat(chunks)))
    request.once('error', reject)
  })
}

/** Resolves to the port. */
export async function listen(server: Server, port = 0): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return addressOf(server).port
}

export async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()))
}

/** A port on which nothing listens at this moment. */
export async function unusedPort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  await closeServer(server)
  return port
}

function addressOf(server: Server): AddressInfo {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server does not listen on a port')
  return address
}
