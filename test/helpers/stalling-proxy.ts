import { once } from 'node:events'
import { createServer, request } from 'node:http'

/** Passes requests on to a server, but never answers those whose path matches. */
export async function stallingProxy(target: string, stalls: (path: string) => boolean) {
  const server = createServer((incoming, answer) => {
    const path = incoming.url ?? ''
    if (stalls(path)) return
    const { method, headers } = incoming
    const onward = request(new URL(path, target), { method: method ?? 'GET', headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(answer)
    })
    onward.on('error', () => answer.destroy())
    incoming.pipe(onward)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the proxy has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
