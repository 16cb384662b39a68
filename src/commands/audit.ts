import { appendFile } from 'node:fs/promises'
import path from 'node:path'

import { asError, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import type { Repository } from '../backup/repository.js'
import { jsonText } from '../output/json-text.js'
import type { CommandContext } from './context.js'
import { explainedRefusal } from './system-errors.js'

export interface AuditedWork {
  /** Whose log the line goes to first; null: the state folder only. Read when the work has ended. */
  readonly repository: Repository | null
  /** `backup create`. */
  readonly command: string
  /** What it was about: ids, addresses, overridden guards. Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>
}

/** The audit line must not hold up the end of a command. */
const LIMIT = 5_000

/**
 * Does work that changes something, and records who did it, when, and how it ended. What cannot be recorded
 * is a warning: the work is done.
 */
export async function withAudit<T>(
  context: CommandContext,
  audited: AuditedWork,
  work: () => Promise<T>,
  resultDetails: (result: T) => Readonly<Record<string, unknown>> = () => ({}),
): Promise<T> {
  const started = context.host.now()
  try {
    const result = await work()
    await record(context, audited, started, { outcome: 'done', ...resultDetails(result) })
    return result
  } catch (error) {
    const failure = explainedRefusal(error)
    await record(context, audited, started, {
      outcome: 'failed',
      code: failure instanceof OpsError ? failure.code : 'INTERNAL',
      exitCode: failure instanceof OpsError ? failure.exitCode : ExitCode.failed,
      message: asError(failure).message,
    })
    throw error
  }
}

async function record(
  context: CommandContext,
  { repository, command, details = {} }: AuditedWork,
  started: Date,
  result: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { host, actor } = context
  const entry = {
    time: started,
    finished: host.now(),
    run: host.runId,
    actor,
    host: host.hostname,
    version: host.version,
    command,
    details,
    result,
  }
  try {
    if (repository !== null && (await recordInRepository(repository, started, host.runId, entry))) return
    const folder = await context.directories.state()
    if (folder === null) throw new Error('no folder for the state can be written to')
    await appendFile(path.join(folder, 'audit.jsonl'), `${jsonText(entry)}\n`, { mode: 0o600 })
  } catch (error) {
    context.output.warn({
      code: 'AUDIT_NOT_WRITTEN',
      message: `the audit line could not be written: ${asError(error).message}`,
    })
  }
}

/** One blob for each entry, because object stores cannot append. False: the store does not take it. */
async function recordInRepository(
  repository: Repository,
  started: Date,
  run: string,
  entry: object,
): Promise<boolean> {
  const { encodeDocument } = await import('../backup/documents.js')
  const key = `log/${started.toISOString().replaceAll(/[-:]|\.\d+/g, '')}-${run}.json`
  try {
    // Not the run's own signal: an interruption is what the log is for.
    await repository.store.put(key, encodeDocument(repository, 'log', key, entry), AbortSignal.timeout(LIMIT))
    return true
  } catch (error) {
    if (error instanceof OpsError) return false
    throw error
  }
}
