import { fork } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { throwIfAborted } from '../../core/errors.js'
import { DATABASE_FILE } from '../../datadir/data-directory.js'
import { DatabaseBusyError, DatabaseFailedError } from '../../datadir/errors.js'
import type { Observation } from './catalogue.js'
import type { CheckedDatabase } from './check-database.js'
import type { DatabaseAnswer, DatabaseRequest } from './database-process.js'

/** The same file seen from src/health/offline and from dist/health/offline. */
const LAUNCHER = fileURLToPath(new URL('../../../bin/check-database.js', import.meta.url))

/**
 * Checks a database in another process: on another core, with memory of its own, and so that it can be stopped,
 * since nothing else ends a `PRAGMA integrity_check`. Rejects with an AbortedError at once when the signal fires,
 * and otherwise as the check does; with a DatabaseFailedError when the process dies.
 */
export async function checkDatabaseApart(
  request: DatabaseRequest,
  signal: AbortSignal,
): Promise<CheckedDatabase | Observation> {
  throwIfAborted(signal)
  const file = path.join(request.directory, DATABASE_FILE)
  const answer = await ask(request, file, signal)
  switch (answer.type) {
    case 'checked':
      return answer.checked
    case 'busy':
      throw new DatabaseBusyError(file)
    case 'bug':
      throw new Error(answer.text)
  }
}

function ask(request: DatabaseRequest, file: string, signal: AbortSignal): Promise<DatabaseAnswer> {
  const child = fork(LAUNCHER, {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [],
    // Ctrl-C is for us.
    detached: true,
  })
  const onAbort = () => void child.kill('SIGKILL')
  signal.addEventListener('abort', onAbort)
  return new Promise<DatabaseAnswer>((resolve, reject) => {
    const ended = (why: string, cause?: unknown) => {
      try {
        throwIfAborted(signal)
        reject(new DatabaseFailedError(file, new Error(`the process that checks it ${why}`, { cause })))
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    }
    child.once('error', (error) => ended(`cannot be started: ${error.message}`, error))
    child.once('exit', (code, by) => ended(`has ended with ${by ?? code ?? 'nothing'}`))
    child.once('message', (message) => {
      if (isAnswer(message)) resolve(message)
    })
    child.send(request, (error) => {
      if (error !== null) ended(`cannot be asked: ${error.message}`, error)
    })
  }).finally(() => signal.removeEventListener('abort', onAbort))
}

function isAnswer(message: unknown): message is DatabaseAnswer {
  return typeof message === 'object' && message !== null && 'type' in message
}
