import { asError, throwIfAborted } from '../../core/errors.js'
import type { OfficialClient } from '../../chroma/official-client.js'
import type { CollectionOperations } from '../collection-operations.js'
import type { CollectionReads, MigrationContext } from '../definition.js'
import type { FusedMap } from '../operations/fuse.js'
import { stepTitle } from '../operations/step-facts.js'
import type { RecordOperator } from '../record-operator.js'
import type { Step } from '../step.js'
import { CollectionChain } from './chain.js'
import { ContextMisusedError } from './errors.js'
import { Operation } from './operation.js'

/** Takes the steps of a migration one after the other: records them, or does them. */
export interface StepExecutor {
  readonly tenant: string
  readonly database: string
  readonly signal: AbortSignal
  /** Resolves when the step is done. Never called twice at once. */
  execute(request: StepRequest): Promise<void>
  mapOf(operators: readonly RecordOperator[]): FusedMap
  reads(collection: string): CollectionReads
}

export interface StepRequest {
  readonly step: Step
  /** The step's map; null for steps without one. */
  readonly map: FusedMap | null
}

/**
 * Runs `up` or `down` of a definition on an executor. Rejects with what the code or a step threw; a step that
 * failed fails the whole, even when the code has caught its error. Rejects with a {@link ContextMisusedError}
 * when operations were written down and not awaited; those are not done.
 */
export async function runWithContext(
  code: (context: MigrationContext) => Promise<void> | void,
  executor: StepExecutor,
): Promise<void> {
  const queue = new StepQueue(executor)
  const context = new RunContext(executor, queue)
  try {
    await untilAborted(async () => code(context), executor.signal)
  } catch (error) {
    // The failure of the step says more than what the code made of it.
    throw (await queue.close()) ?? error
  }
  const underWay = queue.unfinished
  const failure = await queue.close()
  if (failure !== null) throw failure
  const forgotten = [...queue.forgotten(), ...underWay]
  if (forgotten.length > 0) throw notAwaited(forgotten)
}

/** Where operations and chains say that they were written down, begun and ended. */
export class StepQueue {
  readonly #executor: StepExecutor
  readonly #written = new Set<Operation | CollectionChain>()
  #last: Promise<void> = Promise.resolve()
  #waiting: string[] = []
  #failure: Error | null = null
  #closed = false

  constructor(executor: StepExecutor) {
    this.#executor = executor
  }

  /** Titles of the operations that were begun and have not ended. */
  get unfinished(): readonly string[] {
    return this.#waiting
  }

  /** The operation that does this step when it is awaited. */
  operation(title: string, request: () => StepRequest): Operation {
    const operation = new Operation(title, () => this.#append(title, request))
    this.#written.add(operation)
    return operation
  }

  written(chain: CollectionChain): void {
    this.#written.add(chain)
  }

  /** Another chain or operation goes on from this one. */
  continued(chain: CollectionChain): void {
    this.#written.delete(chain)
  }

  /** Titles of what was written down and not awaited. */
  forgotten(): readonly string[] {
    return [...this.#written].filter((item) => !item.begun).map(({ title }) => title)
  }

  /** Waits for the step that is under way; what was not begun by then is not done. The first failure, or null. */
  async close(): Promise<Error | null> {
    this.#closed = true
    await this.#last
    return this.#failure
  }

  async #append(title: string, request: () => StepRequest): Promise<void> {
    this.#waiting.push(title)
    const turn = this.#last.then(() => this.#do(title, request))
    this.#last = turn.catch((error: unknown) => {
      this.#failure ??= asError(error)
    })
    return turn.finally(() => {
      this.#waiting = this.#waiting.filter((other) => other !== title)
    })
  }

  async #do(title: string, request: () => StepRequest): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    if (this.#closed) throw notAwaited([title])
    throwIfAborted(this.#executor.signal)
    await this.#executor.execute(request())
  }
}

class RunContext implements MigrationContext {
  readonly signal: AbortSignal
  readonly tenant: string
  readonly database: string
  readonly #executor: StepExecutor
  readonly #queue: StepQueue

  constructor(executor: StepExecutor, queue: StepQueue) {
    this.signal = executor.signal
    this.tenant = executor.tenant
    this.database = executor.database
    this.#executor = executor
    this.#queue = queue
  }

  collection(name: string): CollectionOperations {
    return new CollectionChain(this.#executor, this.#queue, name, [])
  }

  step(
    name: string,
    run: (context: { readonly signal: AbortSignal }) => Promise<void> | void,
    options: { readonly down?: (context: { readonly signal: AbortSignal }) => Promise<void> | void } = {},
  ): Promise<void> {
    const step: Step = { kind: 'code', name, run, down: options.down ?? null }
    return this.#queue.operation(stepTitle(step), () => ({ step, map: null }))
  }

  client(name: string, run: (client: OfficialClient) => Promise<void>): Promise<void> {
    const step: Step = { kind: 'client', name, run }
    return this.#queue.operation(stepTitle(step), () => ({ step, map: null }))
  }
}

/** Code that waits for something that never comes must not keep the run from being stopped. */
async function untilAborted(code: () => Promise<void>, signal: AbortSignal): Promise<void> {
  throwIfAborted(signal)
  let onAbort = () => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      try {
        throwIfAborted(signal)
      } catch (error) {
        reject(asError(error))
      }
    }
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    await Promise.race([code(), aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function notAwaited(titles: readonly string[]): ContextMisusedError {
  return new ContextMisusedError(
    `${titles.join(', ')}: written down and not awaited, so nobody would know when it is done`,
    { hint: 'put "await" in front of every operation of a migration' },
  )
}
