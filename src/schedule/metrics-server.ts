import { createServer, type Server } from 'node:http'

import { asError, OpsError } from '../core/errors.js'

/** The port could not be had. */
export class MetricsServerError extends OpsError {
  override readonly code = 'METRICS_PORT'
}

export interface MetricsServer {
  /** As it was given, or the one that was found for 0. */
  readonly port: number
  close(): Promise<void>
}

/**
 * Serves `/metrics` and `/healthz` to GET and HEAD, and nothing else: it tells names of profiles and times, so it
 * listens on this machine alone unless another address is given. Rejects with a {@link MetricsServerError}.
 */
export async function serveMetrics(job: {
  readonly host: string
  readonly port: number
  readonly metrics: () => string
  /** Null: all is well; else why not. */
  readonly problem: () => string | null
}): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const answer = (status: number, text: string, type = 'text/plain; charset=utf-8') => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
      response.end(request.method === 'HEAD' ? undefined : text)
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') answer(405, 'only GET\n')
    else if (pathname === '/metrics') answer(200, job.metrics(), 'text/plain; version=0.0.4; charset=utf-8')
    else if (pathname === '/healthz') {
      const problem = job.problem()
      answer(problem === null ? 200 : 503, `${problem ?? 'ok'}\n`)
    } else answer(404, 'there are /metrics and /healthz\n')
  })
  server.requestTimeout = 5_000
  server.headersTimeout = 5_000
  server.maxConnections = 32
  const port = await listen(server, job.host, job.port)
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new MetricsServerError(`cannot listen on ${host}:${port}: ${asError(error).message}`, {
          cause: error,
        }),
      )
    })
    server.listen(port, host, resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}
