import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'

import { request } from 'undici'

import { anySignal, sleep } from '../core/abort.js'
import { asError, OpsError, throwIfAborted } from '../core/errors.js'
import { EmbeddedServerUnsupportedError, installedBinding, loadableBinding } from './binding.js'
import { claimDirectory, isUnused, lockDirectory } from './server-directory.js'
import { BINDING_NOT_LOADABLE, SERVER_ENDED, ServerProcess, type ServerExit } from './server-process.js'

export interface EmbeddedServerOptions {
  /** New, empty, or made by an earlier call; made if missing. */
  readonly directory: string
  /** Where an adapted copy of the server (50 MB) may be kept on systems with an older C library. */
  readonly cacheDir: string
  /** Default: a free one. */
  readonly port?: number
  /** Default: 127.0.0.1. The server has no authentication. */
  readonly host?: string
  /** Stops the start; a server that has started is stopped by {@link EmbeddedServer.stop}. */
  readonly signal?: AbortSignal
  /** Default: 30 s. */
  readonly readyTimeoutMs?: number
  /** Lets anyone who can reach the server empty it. Default: false. */
  readonly allowReset?: boolean
  /** Another native binding (a `.node` file) than that of the installed chromadb package. */
  readonly binding?: string
}

export interface EmbeddedServer {
  readonly url: string
  readonly pid: number
  readonly directory: string
  /** Resolves when the server has ended, for whatever reason. */
  readonly exited: Promise<ServerExit>
  /** The last 64 kB that it wrote. */
  output(): string
  /** Returns when the process is gone and the directory is free. May be called again. */
  stop(): Promise<void>
}

/** The server did not start, or ended while it was starting. The message carries its last words. */
export class EmbeddedServerError extends OpsError {
  override readonly code = 'EMBEDDED_SERVER_FAILED'
}

/**
 * Starts the Chroma server that the installed chromadb package carries, as a process of its own which ends
 * with this one. Resolves when it answers for data.
 *
 * Rejects with a GuardError `NOT_OUR_DIRECTORY` (15), {@link ServerDirectoryBusyError} (11),
 * {@link EmbeddedServerUnsupportedError} (16), {@link EmbeddedServerError} (1) or AbortedError.
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const directory = path.resolve(options.directory)
  const binding = await loadableBinding(options.binding ?? installedBinding(), path.resolve(options.cacheDir))
  await claimDirectory(directory)
  const host = options.host ?? '127.0.0.1'
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(options.signal)
    const port = options.port ?? (await freePort(host))
    const server = await startOnPort({ ...options, directory, binding, host, port })
    if (server !== 'port taken') return server
    if (options.port !== undefined || attempt === PORT_ATTEMPTS)
      throw new EmbeddedServerError(`port ${port} of ${host} is taken`, {
        hint: 'name another port, or none to have a free one chosen',
      })
  }
}

/** Between finding a free port and listening on it somebody else may take it. */
const PORT_ATTEMPTS = 5
const READY_TIMEOUT_MS = 30_000
/** Above the 5 s that the process itself waits for its files to be quiet, and below the 8 s of a container. */
const END_GRACE_MS = 7_000
/** A server whose starter was killed ends a moment later. */
const LOCK_WAIT_MS = 3_000

interface StartJob extends EmbeddedServerOptions {
  readonly binding: string
  readonly host: string
  readonly port: number
}

async function startOnPort(job: StartJob): Promise<EmbeddedServer | 'port taken'> {
  const { directory, signal } = job
  const child = await ServerProcess.spawn({
    binding: job.binding,
    directory,
    args: await serverArguments(job),
  })
  let unlock = async (): Promise<void> => {}
  const stop = async () => {
    await child.end(END_GRACE_MS)
    await unlock()
  }
  try {
    unlock = await lockDirectory({ directory, pid: child.pid, waitMs: LOCK_WAIT_MS, signal })
    const unused = await isUnused(directory)
    child.run()
    const url = `http://${job.host.includes(':') ? `[${job.host}]` : job.host}:${job.port}`
    const ready = await waitUntilReady({ child, url, job, unused })
    if (ready)
      return { url, pid: child.pid, directory, exited: child.exited, output: () => child.output, stop }
    await stop()
    return 'port taken'
  } catch (error) {
    await stop()
    throw error
  }
}

async function serverArguments(job: StartJob): Promise<readonly string[]> {
  const { directory, host, port } = job
  if (job.allowReset !== true) return ['run', '--path', directory, '--host', host, '--port', String(port)]
  // Only a file can say so. JSON is YAML.
  const file = path.join(directory, '.chroma-ops', 'server.yaml')
  const settings = { persist_path: directory, listen_address: host, port, allow_reset: true }
  await writeFile(file, JSON.stringify(settings))
  return ['run', file]
}

/** False when the port was taken by somebody else. */
async function waitUntilReady(start: {
  readonly child: ServerProcess
  readonly url: string
  readonly job: StartJob
  readonly unused: boolean
}): Promise<boolean> {
  const { child, url, job } = start
  const timeoutMs = job.readyTimeoutMs ?? READY_TIMEOUT_MS
  const deadline = AbortSignal.timeout(timeoutMs)
  const gone = new AbortController()
  void child.exited.then(() => {
    gone.abort()
  })
  const signal = anySignal(job.signal, deadline, gone.signal)
  let last = 'it has not answered'
  while (!child.hasEnded()) {
    throwIfAborted(job.signal)
    if (deadline.aborted)
      throw new EmbeddedServerError(`the Chroma server was not ready after ${timeoutMs} ms: ${last}`, {
        hint: lastWords(child),
      })
    try {
      // Until it says so (a configured server says nothing), an answer may be that of another server.
      if (!child.output.includes('listening on address')) await Promise.race([sleep(20), child.exited])
      await answersForData(url, start.unused, signal)
      if (child.output.includes('listening on address')) return true
      await Promise.race([sleep(SILENT_SERVER_MS), child.exited])
      if (!child.hasEnded()) return true
    } catch (error) {
      last = asError(error).message
      await Promise.race([sleep(20), child.exited])
    }
  }
  return endedEarly(child, job)
}

const SILENT_SERVER_MS = 500

/** Returns only when the port was taken. */
async function endedEarly(child: ServerProcess, job: StartJob): Promise<false> {
  const { code, signal } = await child.exited
  const { output } = child
  if (output.includes(SERVER_ENDED) && output.includes('is not available')) return false
  const [, reason] = output.split(BINDING_NOT_LOADABLE)
  if (reason === undefined)
    throw new EmbeddedServerError(
      `the Chroma server ended while it was starting (${signal ?? `exit ${code}`})`,
      {
        hint: lastWords(child),
      },
    )
  if (/failed to map segment|not permitted|permission denied/i.test(reason))
    throw new EmbeddedServerUnsupportedError(`the Chroma server cannot be run from ${job.binding}`, {
      hint: 'name a cache directory on a file system that is not mounted noexec',
    })
  throw new EmbeddedServerUnsupportedError(`the Chroma server cannot be loaded: ${reason.trim()}`)
}

const DATABASE = '/api/v2/tenants/default_tenant/databases/default_database'

/** A heartbeat proves nothing: reads the default database, and on a new directory also writes to it. */
async function answersForData(url: string, unused: boolean, signal: AbortSignal | undefined): Promise<void> {
  await ask(`${url}${DATABASE}`, 'GET', signal)
  await ask(`${url}${DATABASE}/collections?limit=1`, 'GET', signal)
  if (!unused) return
  const name = `chroma-ops-ready-${randomUUID()}`
  await ask(`${url}${DATABASE}/collections`, 'POST', signal, JSON.stringify({ name }))
  await ask(`${url}${DATABASE}/collections/${name}`, 'DELETE', signal)
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

async function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, host, () => {
      const address = probe.address()
      probe.close(() => {
        if (typeof address === 'object' && address !== null) resolve(address.port)
        else reject(new EmbeddedServerError(`no free port on ${host}`))
      })
    })
  })
}

function lastWords(child: ServerProcess): string {
  const said = child.output.trim().split('\n').slice(-5).join('\n')
  return said === '' ? 'it said nothing' : `it said: ${said}`
}
