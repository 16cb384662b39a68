import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import path from 'node:path'

import { request } from 'undici'

const DATABASE = '/api/v2/tenants/default_tenant/databases/default_database'

/**
 * Whether the server at `url` is the one on `directory`, and serves data: a heartbeat would prove neither. A
 * collection that is made there must appear in the file of the directory; it is deleted again. Rejects while
 * nobody answers for data.
 */
export async function answersFrom(
  directory: string,
  url: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  await ask(`${url}${DATABASE}/collections?limit=1`, 'GET', signal)
  const name = `chroma-ops-ready-${randomUUID()}`
  await ask(`${url}${DATABASE}/collections`, 'POST', signal, JSON.stringify({ name }))
  try {
    return await contains(path.join(directory, 'chroma.sqlite3'), name)
  } finally {
    await ask(`${url}${DATABASE}/collections/${name}`, 'DELETE', signal)
  }
}

async function contains(file: string, text: string): Promise<boolean> {
  let tail = ''
  for await (const chunk of createReadStream(file, { encoding: 'latin1', highWaterMark: 1024 * 1024 })) {
    const seen = tail + String(chunk)
    if (seen.includes(text)) return true
    tail = seen.slice(1 - text.length)
  }
  return false
}

async function ask(
  url: string,
  method: 'GET' | 'POST' | 'DELETE',
  signal?: AbortSignal,
  body?: string,
): Promise<void> {
  const answer = await request(url, {
    method,
    signal: signal ?? null,
    // Without keep-alive: nothing stays behind of this first contact.
    reset: true,
    ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
  })
  const text = await answer.body.text()
  if (answer.statusCode >= 300) throw new Error(`HTTP ${answer.statusCode}: ${text.slice(0, 200)}`)
}
