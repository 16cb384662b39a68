import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, expect } from '@jest/globals'

import { startEmbeddedServer, type EmbeddedServer } from '../../src/chroma/embedded-server.js'
import { testCacheDir } from '../helpers/chroma-server.js'

const COLLECTIONS = '/api/v2/tenants/default_tenant/databases/default_database/collections'

/** A fresh one for each test; call {@link serversForTests} at the top of the file. */
export let directory: string
const running: EmbeddedServer[] = []

export function serversForTests(): void {
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'chroma-ops-embedded-'))
  })

  afterEach(async () => {
    await Promise.all(running.splice(0).map((server) => server.stop()))
    await rm(directory, { recursive: true, force: true })
  })
}

/** Stopped after the test. */
export async function start(
  options: Partial<Parameters<typeof startEmbeddedServer>[0]> = {},
): Promise<EmbeddedServer> {
  const server = await startEmbeddedServer({ directory, cacheDir: testCacheDir, ...options })
  running.push(server)
  return server
}

export async function createCollection(url: string, name: string): Promise<void> {
  const answer = await fetch(url + COLLECTIONS, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  })
  expect(answer.status).toBe(200)
}

export async function collectionsCount(url: string): Promise<number> {
  const answer = await fetch(`${url}${COLLECTIONS}_count`)
  return Number(await answer.text())
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
