import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

/** How a server process ended; one of the two is null. */
export interface ServerExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** In the last words of bin/embedded-server.js. */
export const BINDING_NOT_LOADABLE = 'chroma-ops: the server cannot be loaded: '

/** The same file seen from src/chroma and from dist/chroma. */
const LAUNCHER = fileURLToPath(new URL('../../bin/embedded-server.js', import.meta.url))
const KEPT_OUTPUT = 64 * 1024

/**
 * A process of its own that runs a Chroma server and ends with us, however we end: it watches its stdin.
 * Does not keep this process running.
 */
export class ServerProcess {
  readonly pid: number
  /** Never rejects. */
  readonly exited: Promise<ServerExit>
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  #output = ''
  #ended = false

  private constructor(child: ChildProcessByStdio<Writable, Readable, Readable>, pid: number) {
    this.#child = child
    this.pid = pid
    this.exited = new Promise((resolve) => {
      // Not `exit`: the last words are still on their way then.
      child.once('close', (code, signal) => {
        this.#ended = true
        resolve({ code, signal })
      })
    })
    const keep = (chunk: string) => {
      this.#output = (this.#output + chunk).slice(-KEPT_OUTPUT)
    }
    child.stdout.setEncoding('utf8').on('data', keep)
    child.stderr.setEncoding('utf8').on('data', keep)
    // Writing to a server that has just died is no error of its own: its exit says more.
    child.stdin.on('error', () => {})
    child.unref()
    // The pipes of a child are sockets, which the types do not tell.
    for (const pipe of [child.stdin, child.stdout, child.stderr]) if (pipe instanceof Socket) pipe.unref()
  }

  /** The process waits for {@link run} before it touches the directory. */
  static async spawn(job: {
    readonly binding: string
    readonly directory: string
    readonly args: readonly string[]
  }): Promise<ServerProcess> {
    const child = spawn(process.execPath, [LAUNCHER, job.binding, job.directory, ...job.args], {
      cwd: job.directory,
      stdio: ['pipe', 'pipe', 'pipe'],
      // Ctrl-C is for us: we end the server when we no longer need it.
      detached: true,
      windowsHide: true,
    })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    return new ServerProcess(child, child.pid ?? 0)
  }

  run(): void {
    this.#child.stdin.write('\n')
  }

  hasEnded(): boolean {
    return this.#ended
  }

  /** The last 64 kB that the server wrote, without colours. */
  get output(): string {
    return stripVTControlCharacters(this.#output)
  }

  /** Asks it to end once its files are quiet; kills it if it has not ended `graceMs` later. */
  async end(graceMs: number): Promise<void> {
    this.#child.ref()
    this.#child.stdin.end()
    const timer = setTimeout(() => {
      this.kill()
    }, graceMs)
    await this.exited
    clearTimeout(timer)
  }

  /** At once, whatever it is doing. */
  kill(): void {
    if (!this.#ended) this.#child.kill('SIGKILL')
  }
}
