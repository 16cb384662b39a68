import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

import { DatabaseFailedError } from './errors.js'
import { DirectoryUnreadableError, DiskFullError } from './own-folder.js'

/** The same file seen from src/datadir and from dist/datadir. */
const LAUNCHER = fileURLToPath(new URL('../../bin/copy-database.js', import.meta.url))

/**
 * Copies a database file byte for byte, in a process of its own: a process that holds an SQLite lock loses it
 * when it opens and closes the file. The process ends with this one.
 */
export class DatabaseCopier {
  readonly #source: string
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>
  readonly #ended: Promise<void>

  private constructor(source: string, child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#source = source
    this.#child = child
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    this.#ended = new Promise((resolve) => {
      child.once('close', () => resolve())
      child.once('error', () => resolve())
    })
    child.stdin.on('error', () => {})
  }

  /** Resolves when a first copy is there, made while the file may have changed. */
  static async start(source: string, target: string): Promise<DatabaseCopier> {
    const child = spawn(process.execPath, [LAUNCHER, source, target], {
      stdio: ['pipe', 'pipe', 'ignore'],
      // Ctrl-C is for us; it ends when its stdin does.
      detached: true,
      windowsHide: true,
    })
    const copier = new DatabaseCopier(source, child)
    try {
      await copier.#answer('ready')
      return copier
    } catch (error) {
      await copier.stop()
      throw error
    }
  }

  /** Makes the copy equal to the file, which somebody keeps from changing. Resolves to whether it did not change. */
  async finish(): Promise<boolean> {
    this.#child.stdin.write('go\n')
    return (await this.#answer('done')) === 'still'
  }

  /** At once, whatever it is doing. */
  async stop(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  async #answer(word: 'ready' | 'done'): Promise<string> {
    const next = await this.#lines.next()
    const line = next.done === true ? '' : next.value
    const [first, second = '', third = ''] = line.split(' ')
    if (first === word) return third
    const why = line === '' ? 'the process that copies it has ended' : line.slice('failed '.length)
    if (second === 'ENOSPC' || second === 'EDQUOT')
      throw new DiskFullError(`cannot copy ${this.#source}: no space left`, {
        hint: 'name another folder for temporary files with --temp-dir',
      })
    if (second === 'EACCES' || second === 'EPERM')
      throw new DirectoryUnreadableError(`cannot copy ${this.#source}: permission denied`, {
        hint: 'run as the user that owns the data directory',
      })
    throw new DatabaseFailedError(this.#source, new Error(`it cannot be copied: ${why}`))
  }
}
