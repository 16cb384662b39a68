// A small service that remembers notes and finds them by meaning. Shows what DatabaseManager does for an application:
// one pool for each database, retries, health for a probe, and a clean end on SIGTERM.
//
//   node examples/application.mjs http://127.0.0.1:8000
//   curl -d 'the roof leaks' localhost:PORT/notes    curl 'localhost:PORT/notes?like=roof'    curl localhost:PORT/health
import { once } from 'node:events'
import { createServer } from 'node:http'

import { DatabaseManager, OpsError } from 'chroma-ops'

const target = { url: process.argv[2] ?? 'http://127.0.0.1:8000' }

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    if (!(error instanceof OpsError)) console.error(error)
    reply(response, error instanceof OpsError ? 503 : 500, { error: error.message, hint: error.hint })
  })
})

const manager = new DatabaseManager({
  onExit: (closeAll) => {
    process.once('SIGTERM', () => {
      server.close()
      server.closeAllConnections()
      void closeAll().then(() => console.log('closed'))
    })
  },
})

try {
  const database = await manager.open('notes', target)
  await database.collection('notes', { space: 'cosine' })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  console.log(`listening on http://127.0.0.1:${server.address().port}`)
} catch (error) {
  await manager.closeAll()
  if (!(error instanceof OpsError)) throw error
  console.error(error.hint === undefined ? error.message : `${error.message}\n${error.hint}`)
  process.exitCode = error.exitCode
}

async function answer(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost')
  if (pathname === '/health') {
    const report = (await manager.health('ready')).get('notes')
    return reply(response, report.status === 'critical' ? 503 : 200, {
      status: report.status,
      findings: report.findings.map(({ evidence }) => evidence),
    })
  }
  if (pathname !== '/notes') return reply(response, 404, { error: 'there are /notes and /health' })

  // Opened above, so this is a look-up; the collection is made anew should somebody have deleted it.
  const database = await manager.open('notes', target)
  const notes = await database.collection('notes', { space: 'cosine' })
  if (request.method === 'POST') {
    const text = await read(request)
    const id = `note-${Date.now()}-${Math.random().toString(36).slice(2, 8)}`
    await notes.upsert([
      { id, embedding: embed(text), document: text, metadata: { written: new Date().toISOString() } },
    ])
    return reply(response, 201, { id })
  }
  const found = await notes.query(embed(searchParams.get('like') ?? ''), 3)
  return reply(
    response,
    200,
    found.map(({ document, distance }) => ({ document, distance })),
  )
}

/** Stands in for an embedding model: counts groups of three letters, so that texts that share words are near. */
function embed(text) {
  const vector = new Float32Array(64).fill(0.01)
  for (const word of text.toLowerCase().match(/\p{L}+/gu) ?? []) {
    for (let at = 0; at + 3 <= word.length; at++) {
      const group = [...word.slice(at, at + 3)].reduce((sum, letter) => sum * 31 + letter.codePointAt(0), 7)
      vector[group % vector.length] += 1
    }
  }
  return vector
}

async function read(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

function reply(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
}
