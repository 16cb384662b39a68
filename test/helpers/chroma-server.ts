import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll } from '@jest/globals'

import { startEmbeddedServer, type EmbeddedServer } from '../../src/chroma/embedded-server.js'
import { isErrno } from '../../src/core/errors.js'

/** Where tests keep the adapted copy of the server, so that it is made once. */
export const testCacheDir = fileURLToPath(new URL('../../node_modules/.cache/chroma-ops', import.meta.url))

export interface TestChromaOptions {
  /** Another server than that of the installed package: a `.node` file. */
  readonly binding?: string
  /** Default: a fresh temporary directory, removed by `stop`. */
  readonly directory?: string
  /** Default: a free one, kept over restarts. */
  readonly port?: number
}

/** A real Chroma server on a directory of its own. */
export interface TestChroma {
  readonly url: string
  readonly pid: number
  readonly directory: string
  /** Ends the server and removes its temporary directory. */
  stop(): Promise<void>
  /** Ends the server in good order and keeps its directory. */
  halt(): Promise<void>
  /** SIGKILL, at once; the directory stays. */
  kill(): Promise<void>
  /** Starts it again on the same directory and port, after `halt`, `kill` or while it runs. */
  restart(): Promise<void>
}

export async function startChroma(options: TestChromaOptions = {}): Promise<TestChroma> {
  const directory = options.directory ?? (await mkdtemp(path.join(tmpdir(), 'chroma-ops-test-')))
  const start = (port?: number) =>
    startEmbeddedServer({
      directory,
      cacheDir: testCacheDir,
      ...(options.binding === undefined ? {} : { binding: options.binding }),
      ...(port === undefined ? {} : { port }),
    })
  const remove = async () => {
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true })
  }
  let server: EmbeddedServer
  try {
    server = await start(options.port)
  } catch (error) {
    await remove()
    throw error
  }
  return {
    url: server.url,
    directory,
    get pid() {
      return server.pid
    },
    async stop() {
      // What it would still write, nobody reads.
      if (options.directory === undefined) await kill(server)
      await server.stop()
      await remove()
    },
    halt: () => server.stop(),
    kill: () => kill(server),
    async restart() {
      await server.stop()
      server = await start(Number(new URL(server.url).port))
    },
  }
}

async function kill(server: EmbeddedServer): Promise<void> {
  try {
    process.kill(server.pid, 'SIGKILL')
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error
  }
  await server.exited
}

/**
 * One server for a whole suite: call it at the top of a `describe` or file. The returned function gives the
 * server, inside tests and hooks; it is stopped after the last test.
 */
export function chromaForSuite(options: TestChromaOptions = {}): () => TestChroma {
  let chroma: TestChroma | undefined
  beforeAll(async () => {
    chroma = await startChroma(options)
  })
  afterAll(async () => {
    await chroma?.stop()
  })
  return () => {
    if (chroma === undefined) throw new Error('the server is there only inside tests and hooks')
    return chroma
  }
}
