import type { EmbeddingCache } from '../embedding-cache.js'
import type { StateWriter } from '../state/state-writer.js'
import type { StepContext } from '../step-outcome.js'
import type { MigrationJob } from './migration-job.js'
import type { Session } from './session.js'

/** What a step, or its undoing, works with; `at` counts from 0. */
export function stepContext(session: Session, state: StateWriter, version: string, at: number): StepContext {
  const { job, runId, lock, cache, tempDir, signal } = session
  const { api, tenant, database, concurrency, openClient, now, progress } = job
  return {
    ...{
      api,
      tenant,
      database,
      version,
      runId,
      cache,
      concurrency,
      tempDir,
      openClient,
      now,
      progress,
      signal,
    },
    journal: state.journalOf(version, at),
    guard: lock,
  }
}

/** Adds to the history of a migration whose row is there. */
export async function addEvent(
  {
    session,
    state,
    version,
  }: { readonly session: Session; readonly state: StateWriter; readonly version: string },
  event: string,
  message: string,
): Promise<void> {
  const { job, runId } = session
  const attempt = state.row(version)?.attempt ?? 1
  await state.addEvent({
    version,
    attempt,
    at: job.now().toISOString(),
    event,
    message,
    actor: job.actor,
    runId,
  })
}

/** For looking only: whoever would write with it is refused. */
export function lookingContext(
  job: MigrationJob,
  of: {
    readonly version: string
    readonly runId: string
    readonly tempDir: string
    readonly cache: EmbeddingCache
  },
): StepContext {
  const { api, tenant, database, concurrency, openClient, now, progress, signal } = job
  const refuse = async () => {
    throw new Error('a dry run was about to write')
  }
  return {
    ...{ api, tenant, database, concurrency, openClient, now, progress, signal, ...of },
    journal: { read: () => null, put: refuse },
    guard: { check: refuse },
  }
}
