import type {
  CollectionOperations,
  CreateOptions,
  MetadataChange,
  ReembedOptions,
  SwapOptions,
  VerifyOptions,
} from '../collection-operations.js'
import type { CollectionReads } from '../definition.js'
import type { MigrationRecord } from '../record.js'
import type { FusedMap } from '../operations/fuse.js'
import { stepTitle } from '../operations/step-facts.js'
import type { RecordOperator, Transform } from '../record-operator.js'
import type { Step } from '../step.js'
import type { StepExecutor, StepQueue } from './context.js'
import { ContextMisusedError } from './errors.js'
import type { Operation } from './operation.js'

/** What a replaced or dropped collection is kept for unless the migration says otherwise. */
export const DEFAULT_KEEP = '14d'

/** A collection and the record operations collected for it so far. Each link is a chain of its own. */
export class CollectionChain implements CollectionOperations {
  readonly #executor: StepExecutor
  readonly #queue: StepQueue
  readonly #name: string
  readonly #operators: readonly RecordOperator[]
  #end: Operation | null = null

  constructor(executor: StepExecutor, queue: StepQueue, name: string, operators: readonly RecordOperator[]) {
    this.#executor = executor
    this.#queue = queue
    this.#name = name
    this.#operators = operators
  }

  /** For messages: `docs transform.reembed`. */
  get title(): string {
    return [this.#name, this.#operators.map(({ kind }) => kind).join('.')].join(' ').trim()
  }

  /** Whether somebody awaits it, or an operation that ends it. */
  get begun(): boolean {
    return this.#end?.begun ?? false
  }

  create(options: CreateOptions = {}): Promise<void> {
    return this.#plain({ kind: 'create', collection: this.#name, options })
  }

  drop(options: { readonly keep?: string } = {}): Promise<void> {
    return this.#plain({ kind: 'drop', collection: this.#name, keep: options.keep ?? DEFAULT_KEEP })
  }

  rename(to: string): Promise<void> {
    return this.#plain({ kind: 'rename', collection: this.#name, to })
  }

  setMetadata(change: MetadataChange): Promise<void> {
    return this.#plain({ kind: 'setMetadata', collection: this.#name, change })
  }

  setConfiguration(configuration: Readonly<Record<string, unknown>>): Promise<void> {
    return this.#plain({ kind: 'setConfiguration', collection: this.#name, configuration })
  }

  transform(change: Transform, options: { readonly inPlace?: boolean } = {}): CollectionOperations {
    return this.#with({ kind: 'transform', change, inPlace: options.inPlace ?? false })
  }

  filter(keep: (record: MigrationRecord) => boolean): CollectionOperations {
    return this.#with({ kind: 'filter', keep })
  }

  reembed(options: ReembedOptions): CollectionOperations {
    return this.#with({ kind: 'reembed', options })
  }

  changeSpace(space: 'l2' | 'cosine' | 'ip'): CollectionOperations {
    return this.#with({ kind: 'changeSpace', space })
  }

  changeDimension(dimension: number): CollectionOperations {
    return this.#with({ kind: 'changeDimension', dimension })
  }

  copyAndSwap(options: SwapOptions = {}): Promise<void> {
    const collection = this.#name
    return this.#mapped('copyAndSwap', (map) => ({ kind: 'copyAndSwap', collection, map, options }))
  }

  copyTo(name: string, options: { readonly verify?: VerifyOptions } = {}): Promise<void> {
    const step = { kind: 'copyTo', collection: this.#name, to: name, verify: options.verify ?? {} } as const
    return this.#mapped('copyTo', (map) => ({ ...step, map }))
  }

  split(by: (record: MigrationRecord) => string | null, names: readonly string[]): Promise<void> {
    const step = { kind: 'split', collection: this.#name, by, names } as const
    return this.#mapped('split', (map) => ({ ...step, map }))
  }

  merge(
    others: readonly string[],
    options: { readonly into: string; readonly onConflict?: 'fail' | 'first' | 'last' },
  ): Promise<void> {
    const { into, onConflict = 'fail' } = options
    return this.#plain({ kind: 'merge', collection: this.#name, others, into, onConflict })
  }

  then<Fulfilled = void, Rejected = never>(
    onFulfilled?: (() => Fulfilled | PromiseLike<Fulfilled>) | null,
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Fulfilled | Rejected> {
    return this.#awaited().then(onFulfilled, onRejected)
  }

  count(): Promise<number> {
    return this.#reads().count()
  }

  get(ids: readonly string[]): Promise<readonly MigrationRecord[]> {
    return this.#reads().get(ids)
  }

  records(): AsyncIterable<MigrationRecord> {
    return this.#reads().records()
  }

  #with(operator: RecordOperator): CollectionChain {
    this.#queue.continued(this)
    const chain = new CollectionChain(this.#executor, this.#queue, this.#name, [...this.#operators, operator])
    this.#queue.written(chain)
    return chain
  }

  #reads(): CollectionReads {
    this.#refuseOperators('read')
    return this.#executor.reads(this.#name)
  }

  /** A chain that is awaited itself: its records are swapped, or changed where they are. */
  #awaited(): Promise<void> {
    if (this.#end !== null) return this.#end
    if (this.#operators.length === 0) return Promise.resolve()
    const collection = this.#name
    if (!this.#operators.some(isInPlace)) return this.copyAndSwap()
    if (!this.#operators.every(isInPlace)) throw this.#misused('inPlace goes with transforms in place only')
    return this.#operation(`${collection} transform in place`, (map) => ({
      kind: 'inPlace',
      collection,
      map,
    }))
  }

  #mapped(kind: string, step: (map: FusedMap) => Step): Promise<void> {
    if (this.#operators.some(isInPlace))
      throw this.#misused(`a transform in place cannot go into a ${kind}: leave inPlace out`)
    return this.#operation(`${this.#name} ${kind}`, step)
  }

  #operation(title: string, step: (map: FusedMap) => Step): Operation {
    if (this.#end !== null)
      throw this.#misused('this chain has ended already: begin a new one with collection()')
    const operators = this.#operators
    this.#queue.continued(this)
    this.#end = this.#queue.operation(title, () => {
      const map = this.#executor.mapOf(operators)
      return { step: step(map), map }
    })
    return this.#end
  }

  #plain(step: Step & { readonly collection: string }): Promise<void> {
    this.#refuseOperators(step.kind)
    return this.#queue.operation(stepTitle(step), () => ({ step, map: null }))
  }

  #refuseOperators(what: string): void {
    if (this.#operators.length > 0) throw this.#misused(`await the chain first, and ${what} after it`)
  }

  #misused(message: string): ContextMisusedError {
    return new ContextMisusedError(`${this.title}: ${message}`)
  }
}

function isInPlace(operator: RecordOperator): boolean {
  return operator.kind === 'transform' && operator.inPlace
}
