import type { ChromaApi } from '../../chroma/api.js'
import { CollectionNotFoundError } from '../../chroma/errors.js'
import type { CollectionReads, MigrationContext } from '../definition.js'
import type { EmbeddingCache } from '../embedding-cache.js'
import { MigrationError } from '../migration-error.js'
import { fuse, type FusedMap } from '../operations/fuse.js'
import { stepHash, stepTitle } from '../operations/step-facts.js'
import type { RecordOperator } from '../record-operator.js'
import { collectionReads } from '../run/collection-reads.js'
import { runWithContext, type StepExecutor, type StepRequest } from '../run/context.js'
import { requireAllSteps, requireSameStep } from '../run/same-step.js'
import type { StepRow } from '../state/row.js'
import { describeSwap } from '../swap/describe-swap.js'
import type { VirtualCollection, VirtualDatabase } from './virtual-database.js'

export interface RecordedStep extends StepRequest {
  /** From 1. */
  readonly number: number
  readonly title: string
  readonly hash: string
  /** `done`, `begun`: by an earlier run. */
  readonly state: 'new' | 'begun' | 'done'
  /** How far an earlier run came that has begun it, for people; null: that is not known. */
  readonly left: string | null
  /** What it works on, as it is before the step; null: not known, or nothing. */
  readonly source: VirtualCollection | null
  /** What the server's collections are called before this step, by id, as far as anybody has asked. */
  readonly names: ReadonlyMap<string, string>
}

export interface RecordJob {
  readonly api: ChromaApi
  readonly tenant: string
  readonly database: string
  readonly version: string
  readonly virtual: VirtualDatabase
  /** What earlier runs have done of it. */
  readonly earlier: readonly StepRow[]
  /** They were done by the file as it is now. */
  readonly sameFile: boolean
  readonly cache: EmbeddingCache
  readonly concurrency: number
  readonly tempDir: string
  readonly signal: AbortSignal
}

/**
 * The steps that `code` asks for, without doing any of them: reads see the server, and names are those that the
 * steps before will have made. Rejects with what `code` throws, with a CollectionNotFoundError or a
 * {@link MigrationError} for steps that cannot be done, and with a MigrationUndecidedError (17) when a step that
 * is done reads otherwise now.
 */
export async function recordSteps(
  code: (context: MigrationContext) => Promise<void> | void,
  job: RecordJob,
): Promise<readonly RecordedStep[]> {
  const recorder = new Recorder(job)
  await runWithContext(code, recorder)
  requireAllSteps({ version: job.version, steps: recorder.steps.length, earlier: job.earlier })
  return recorder.steps
}

class Recorder implements StepExecutor {
  readonly tenant: string
  readonly database: string
  readonly signal: AbortSignal
  readonly steps: RecordedStep[] = []
  readonly #job: RecordJob

  constructor(job: RecordJob) {
    this.#job = job
    this.tenant = job.tenant
    this.database = job.database
    this.signal = job.signal
  }

  async execute(request: StepRequest): Promise<void> {
    const { step } = request
    const number = this.steps.length + 1
    const title = stepTitle(step)
    const hash = stepHash(step)
    const earlier = this.#job.earlier[number - 1]
    const { version, sameFile } = this.#job
    if (earlier !== undefined) requireSameStep({ version, number, title, hash, earlier, sameFile })
    const state = earlier === undefined ? 'new' : earlier.state === 'done' ? 'done' : 'begun'
    const names = this.#job.virtual.names()
    const source = state === 'done' ? null : await this.#apply(request, state)
    const left = state === 'begun' ? (describeSwap(earlier?.progress ?? null)?.text ?? null) : null
    this.steps.push({ ...request, number, title, hash, state, left, source, names })
  }

  mapOf(operators: readonly RecordOperator[]): FusedMap {
    return fuse(operators, { cache: this.#job.cache })
  }

  reads(collection: string): CollectionReads {
    const { api, signal, virtual, concurrency, tempDir } = this.#job
    const find = async () => {
      const found = await virtual.find(collection)
      if (found === null) throw new CollectionNotFoundError([collection])
      return found.origin
    }
    return collectionReads({ api, signal, concurrency, tempDir, find })
  }

  /** What a run that died has begun may be there in part: it says itself how far it is when it is continued. */
  async #apply({ step }: StepRequest, state: 'new' | 'begun'): Promise<VirtualCollection | null> {
    const { virtual } = this.#job
    try {
      return await virtual.apply(step)
    } catch (error) {
      const halfDone = error instanceof MigrationError || error instanceof CollectionNotFoundError
      if (state !== 'begun' || !halfDone) throw error
      await virtual.assume(step)
      return null
    }
  }
}
