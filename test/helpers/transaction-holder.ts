import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('hold-transaction.ts', import.meta.url))
const loader = fileURLToPath(new URL('run-typescript.js', import.meta.url))

export interface TransactionHolder {
  /** With SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
}

/** A process that has the database of a directory open, with a transaction under way; see hold-transaction.ts. */
export async function holdTransaction(
  directory: string,
  what: 'spilled' | 'locked' | 'none',
): Promise<TransactionHolder> {
  const file = path.join(directory, 'chroma.sqlite3')
  const child = spawn(process.execPath, ['--import', loader, program, file, what], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const ready = once(child.stdout, 'data')
  await Promise.race([ready, exited.then(() => Promise.reject(new Error('no transaction was held')))])
  return {
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}
