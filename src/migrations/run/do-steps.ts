import { GuardError } from '../../core/errors.js'
import type { CollectionReads } from '../definition.js'
import { fuse, type FusedMap } from '../operations/fuse.js'
import { runStep } from '../operations/run-step.js'
import { stepHash, stepTitle } from '../operations/step-facts.js'
import { hasNoOtherWayBack, type BackupNeed } from '../plan/backup-need.js'
import type { RecordOperator } from '../record-operator.js'
import type { StepRow } from '../state/row.js'
import type { StateWriter } from '../state/state-writer.js'
import type { Step } from '../step.js'
import { backUp } from './back-up.js'
import { collectionReads, findByName } from './collection-reads.js'
import type { StepExecutor, StepRequest } from './context.js'
import type { Direction } from './migration-job.js'
import type { StepResult } from './result.js'
import { requireSameStep } from './same-step.js'
import { retryNotes } from './retry-notes.js'
import { addEvent, stepContext } from './step-context.js'
import type { Session } from './session.js'

export interface DoStepsJob {
  readonly session: Session
  readonly state: StateWriter
  readonly version: string
  readonly direction: Direction
  /** As they were when this run took over. */
  readonly earlier: readonly StepRow[]
  /** They were done by the file as it is now. */
  readonly sameFile: boolean
  /** Hashes of the steps that were foreseen, and what is to be backed up before one of them. */
  readonly foreseen: readonly string[]
  readonly backup: BackupNeed | null
  /** False: the operator or the migration wants none. */
  readonly backsUp: boolean
}

/** Does the steps of a migration; each is in the journal before it begins and when it is done. */
export class StepDoer implements StepExecutor {
  readonly tenant: string
  readonly database: string
  readonly signal: AbortSignal
  readonly results: StepResult[] = []
  /** All that were asked for so far, those of earlier runs too. */
  readonly steps: { readonly step: Step }[] = []
  readonly #job: DoStepsJob
  readonly #noteRetry: (message: string) => void
  #number = 0
  #title = ''

  constructor(job: DoStepsJob) {
    this.#job = job
    this.tenant = job.session.job.tenant
    this.database = job.session.job.database
    this.signal = job.session.signal
    this.#noteRetry = retryNotes(job.session.job.progress)
  }

  /** Of the step that is under way, or was the last; from 1. */
  get number(): number {
    return this.#number
  }

  /** `step 2 ("docs copyAndSwap")`, for messages; null when none is under way. */
  get current(): string | null {
    return this.#title === '' ? null : `step ${this.#number} ("${this.#title}")`
  }

  async execute({ step }: StepRequest): Promise<void> {
    const number = ++this.#number
    this.steps.push({ step })
    const { version, sameFile } = this.#job
    const [title, hash] = [stepTitle(step), stepHash(step)]
    const earlier = this.#job.earlier[number - 1]
    if (earlier !== undefined) requireSameStep({ version, number, title, hash, earlier, sameFile })
    if (earlier?.state === 'done') {
      this.#tell('resumed', title)
      this.results.push({ ...NOTHING, title, state: 'earlier', notes: earlier.notes })
      return
    }
    this.#title = title
    this.#tell('started', title)
    await this.#backUpBefore(step, number, hash)
    await this.#begin({ title, hash, progress: earlier?.progress ?? null })
    await this.#do(step, title)
    this.#tell('done', title)
    this.#title = ''
  }

  mapOf(operators: readonly RecordOperator[]): FusedMap {
    return fuse(operators, { cache: this.#job.session.cache, onRetry: this.#noteRetry })
  }

  reads(collection: string): CollectionReads {
    const { job, tempDir, signal } = this.#job.session
    const find = findByName({ ...job, signal }, collection)
    return collectionReads({ api: job.api, concurrency: job.concurrency, tempDir, signal, find })
  }

  async #do(step: Step, title: string): Promise<void> {
    const { state, session, version } = this.#job
    const at = this.#number - 1
    try {
      const outcome = await runStep(step, stepContext(session, state, version, at))
      const { undo, notes, records, embedded, gapMs } = outcome
      await this.#putStep((old) => ({ ...old, state: 'done', progress: null, undo, notes }))
      this.results.push({ title, state: 'done', records, embedded, gapMs, notes })
      await addEvent(this.#job, 'step', [`step ${this.#number}: ${title}`, ...notes].join('; '))
    } catch (error) {
      this.results.push({ ...NOTHING, title, state: 'failed' })
      throw error
    }
  }

  async #begin(step: Pick<StepRow, 'title' | 'hash' | 'progress'>): Promise<void> {
    const { state, version } = this.#job
    const at = this.#number - 1
    const begun: StepRow = { ...step, state: 'running', undo: null, notes: [] }
    await state.updateRow(version, (row) => ({ ...row, steps: [...row.steps.slice(0, at), begun] }))
  }

  async #putStep(change: (old: StepRow) => StepRow): Promise<void> {
    const { state, version } = this.#job
    const at = this.#number - 1
    await state.updateRow(version, (row) => ({
      ...row,
      steps: row.steps.map((old, index) => (index === at ? change(old) : old)),
    }))
  }

  async #backUpBefore(step: Step, number: number, hash: string): Promise<void> {
    const { session, state, version, backup, backsUp, foreseen, direction } = this.#job
    if (!backsUp || state.row(version)?.backup != null) return
    if (backup?.beforeStep === number) {
      await backUp({ session, state, version, need: backup })
      return
    }
    // What was read has changed since the steps were recorded: nobody has asked for what this one needs.
    if (direction === 'up' && hasNoOtherWayBack(step) && foreseen[number - 1] !== hash)
      throw new GuardError(
        'STEP_NOT_FORESEEN',
        `step ${number} ("${stepTitle(step)}") was not foreseen when the migration began, and cannot be undone without a backup`,
        { hint: "put it into a migration of its own, or give this one backup: 'always'" },
      )
  }

  #tell(state: 'started' | 'done' | 'resumed', title: string): void {
    const { session, version, foreseen } = this.#job
    const number = this.#number
    const total = Math.max(number, foreseen.length)
    session.lock.phase(`${version}, step ${number} of ${total}: ${title}`)
    session.job.events.step?.({ version, title, state, number, total })
  }
}

const NOTHING = { records: 0, embedded: 0, gapMs: null, notes: [] } as const
