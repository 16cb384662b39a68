import type { PushReport } from '../backup/push-spool.js'
import type { Repository } from '../backup/repository.js'
import type { Spool } from '../backup/spool.js'
import { catalogue } from '../config/catalogue.js'
import { OpsError } from '../core/errors.js'
import { RetryExhausted } from '../core/retry-exhausted.js'
import { shellWord } from '../core/shell-word.js'
import { StoreError, StoreFullError, StoreUnreachableError, type BlobStore } from '../storage/blob-store.js'
import { completeCommand } from './complete-commands.js'
import type { CommandContext } from './context.js'
import type { Degradations } from './degradations.js'

/** The spool of the repository; null when the settings name no folder for it. */
export async function ownSpool(context: CommandContext, store: BlobStore): Promise<Spool | null> {
  const folder = context.settings.value(catalogue.spoolDir)
  if (folder === null) return null
  const [{ openSpool }, { default: path }] = await Promise.all([
    import('../backup/spool.js'),
    import('node:path'),
  ])
  return openSpool(path.resolve(context.host.cwd, folder), store.displayUrl)
}

/** Moves what waits in the spool of `store` into it. */
export async function pushSpooled(
  context: CommandContext,
  spool: Spool,
  store: BlobStore,
): Promise<PushReport> {
  const { pushSpool } = await import('../backup/push-spool.js')
  return pushSpool({
    spool,
    repository: store,
    concurrency: context.settings.value(catalogue.concurrency),
    progress: context.output,
    signal: context.signal,
  })
}

export interface SpoolingWork<T> {
  readonly context: CommandContext
  readonly store: BlobStore
  readonly degraded: Degradations
  /** Opens the repository in `store`. */
  readonly open: (store: BlobStore) => Promise<Repository>
  readonly work: (repository: Repository) => Promise<T>
}

/**
 * Makes a backup in the repository; with a spool, first moves there what waits in it, and while the store is away or
 * full makes the backup in the spool.
 */
export async function inSpoolWhenAway<T>(job: SpoolingWork<T>): Promise<T> {
  const { context, store, open, work } = job
  const spool = await ownSpool(context, store)
  if (spool === null) return work(await open(store))
  try {
    const repository = await open(store)
    const { prepareSpool } = await import('../backup/spool.js')
    await prepareSpool(spool, repository, context.signal)
    await pushFirst(job, spool)
    return await work(repository)
  } catch (error) {
    const { isPrepared } = await import('../backup/spool.js')
    if (context.signal.aborted || !(error instanceof OpsError) || !isStoreAway(error)) throw error
    if (!(await isPrepared(spool, context.signal))) throw error
    return workInSpool(job, spool, error)
  }
}

async function pushFirst<T>({ context, store, degraded }: SpoolingWork<T>, spool: Spool): Promise<void> {
  try {
    const { pushed } = await pushSpooled(context, spool, store)
    for (const id of pushed)
      context.output.note(`${id} was waiting in ${spool.folder}, and is in the repository now`)
  } catch (error) {
    if (!(error instanceof OpsError) || context.signal.aborted || isStoreAway(error)) throw error
    const message = `what waits in ${spool.folder} could not be moved into the repository: ${error.message}`
    degraded.add({ code: 'SPOOL_WAITING', message, recover: error.hint ?? 'look at the folder' })
  }
}

async function workInSpool<T>(
  { context, store, degraded, open, work }: SpoolingWork<T>,
  spool: Spool,
  error: OpsError,
): Promise<T> {
  const folder = context.settings.value(catalogue.spoolDir) ?? ''
  const push = completeCommand(`chroma-ops repo push --spool-dir ${shellWord(folder)}`, context.settings)
  degraded.add({
    code: error instanceof StoreFullError ? 'STORE_FULL' : 'STORE_AWAY',
    message: `${store.displayUrl} cannot be written to (${error.message}); the backup waits in ${spool.folder}, on this machine only`,
    recover: `run "${push}" when the store is back; the next backup does it too`,
  })
  const repository = await open(spool.store)
  degraded.writesTo(spool, repository)
  return work(repository)
}

/** A folder that is not mounted looks like one without a repository. */
const GONE = ['REPOSITORY_NOT_FOUND', 'STORE_NOT_FOUND']

function isStoreAway(error: OpsError): boolean {
  if (GONE.includes(error.code)) return true
  const cause = rootOf(error)
  return cause instanceof StoreUnreachableError || cause instanceof StoreFullError
}

/** Whether it is the store that failed, not the server. */
export function isStoreFailure(error: OpsError): boolean {
  return GONE.includes(error.code) || rootOf(error) instanceof StoreError
}

function rootOf(error: OpsError): Error {
  return error instanceof RetryExhausted ? error.lastError : error
}
