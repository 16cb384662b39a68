import type { StepJournal } from '../step-journal.js'
import { progressToJson, type SwapProgress } from './progress.js'

/** While records are copied, so often, so that others can see how far it is. */
const EVERY_MS = 5000

/** The progress of one copy-and-swap, in memory and in the journal. */
export class SwapJournal {
  readonly #journal: StepJournal
  readonly #now: () => Date
  #progress: SwapProgress
  #putAt = 0

  constructor(journal: StepJournal, now: () => Date, progress: SwapProgress) {
    this.#journal = journal
    this.#now = now
    this.#progress = progress
  }

  get progress(): SwapProgress {
    return this.#progress
  }

  /** Durable when it resolves; rejects with a LockLostError. */
  async put(change: Partial<SwapProgress>): Promise<void> {
    this.#progress = { ...this.#progress, ...change }
    await this.#journal.put(progressToJson(this.#progress))
    this.#putAt = this.#now().getTime()
  }

  /** Like {@link put}, but not more often than is of use to somebody who looks on. */
  async tell(change: Partial<SwapProgress>): Promise<void> {
    this.#progress = { ...this.#progress, ...change }
    if (this.#now().getTime() - this.#putAt >= EVERY_MS) await this.put({})
  }

  async note(text: string): Promise<void> {
    if (!this.#progress.notes.includes(text)) await this.put({ notes: [...this.#progress.notes, text] })
  }
}
