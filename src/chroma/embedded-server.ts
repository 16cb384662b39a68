import { once } from 'node:events'
import { createServer } from 'node:net'
import path from 'node:path'

import { anySignal, sleep } from '../core/abort.js'
import { asError, isErrno, OpsError, throwIfAborted } from '../core/errors.js'
import { EmbeddedServerUnsupportedError, installedBinding, loadableBinding } from './binding.js'
import { answersFrom } from './server-answers.js'
import { claimDirectory, lockDirectory } from './server-directory.js'
import { BINDING_NOT_LOADABLE, ServerProcess, type ServerExit } from './server-process.js'

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
    const port = options.port ?? (await listenOnce(host, 0))
    const taken = options.port !== undefined && !(await portIsFree(host, port))
    const server = taken ? 'port taken' : await startOnPort({ ...options, directory, binding, host, port })
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

interface Start {
  readonly child: ServerProcess
  readonly url: string
  readonly job: StartJob
}

async function startOnPort(job: StartJob): Promise<EmbeddedServer | 'port taken'> {
  const { directory, signal } = job
  const args = ['run', '--path', directory, '--host', job.host, '--port', String(job.port)]
  const child = await ServerProcess.spawn({ binding: job.binding, directory, args })
  let unlock = async (): Promise<void> => {}
  const stop = async () => {
    await child.end(END_GRACE_MS)
    await unlock()
  }
  try {
    unlock = await lockDirectory({ directory, pid: child.pid, waitMs: LOCK_WAIT_MS, signal })
    child.run()
    const url = `http://${job.host.includes(':') ? `[${job.host}]` : job.host}:${job.port}`
    const ready = await waitUntilReady({ child, url, job })
    if (ready)
      return { url, pid: child.pid, directory, exited: child.exited, output: () => child.output, stop }
    await stop()
    return 'port taken'
  } catch (error) {
    await stop()
    throw error
  }
}

/** False when the port was taken by somebody else. */
async function waitUntilReady({ child, url, job }: Start): Promise<boolean> {
  const timeoutMs = job.readyTimeoutMs ?? READY_TIMEOUT_MS
  const deadline = AbortSignal.timeout(timeoutMs)
  const gone = new AbortController()
  void child.exited.then(() => {
    gone.abort()
  })
  const signal = anySignal(job.signal, deadline, gone.signal)
  const speaksBy = performance.now() + SILENT_MS
  let last = 'it has not answered'
  while (!child.hasEnded()) {
    throwIfAborted(job.signal)
    if (deadline.aborted)
      throw new EmbeddedServerError(`the Chroma server was not ready after ${timeoutMs} ms: ${last}`, {
        hint: lastWords(child),
      })
    try {
      // Not to bother somebody else's server: ours announces that it is about to listen.
      const isDue = child.output.includes('listening on address') || performance.now() > speaksBy
      if (isDue && (await answersFrom(job.directory, url, signal))) return true
    } catch (error) {
      last = asError(error).message
    }
    await Promise.race([sleep(20), child.exited])
  }
  return endedEarly(child, job)
}

/** Servers of the 1.0 line announce nothing. */
const SILENT_MS = 1_000

/** Returns only when the port was taken. */
async function endedEarly(child: ServerProcess, job: StartJob): Promise<false> {
  const { code, signal } = await child.exited
  const { output } = child
  if (/^Address \S+ is not available|AddrInUse/m.test(output)) return false
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

async function portIsFree(host: string, port: number): Promise<boolean> {
  try {
    return (await listenOnce(host, port)) === port
  } catch (error) {
    if (isErrno(error, 'EADDRINUSE')) return false
    throw error
  }
}

/** Listens for a moment, on a free port when `port` is 0. Resolves to the port. */
async function listenOnce(host: string, port: number): Promise<number> {
  const probe = createServer()
  probe.listen(port, host)
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  return typeof address === 'object' && address !== null ? address.port : port
}

function lastWords(child: ServerProcess): string {
  const said = child.output.trim().split('\n').slice(-5).join('\n')
  return said === '' ? 'it said nothing' : `it said: ${said}`
}
