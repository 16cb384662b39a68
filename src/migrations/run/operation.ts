/**
 * An operation of a migration: it begins when it is awaited, not when it is written down. What nobody awaits is
 * never begun, so that it can be told instead of going on behind the end of `up`.
 */
export class Operation<Value = void> implements Promise<Value> {
  readonly [Symbol.toStringTag] = 'Operation'
  /** For messages: `docs rename`. */
  readonly title: string
  readonly #begin: () => Promise<Value>
  #promise: Promise<Value> | null = null

  constructor(title: string, begin: () => Promise<Value>) {
    this.title = title
    this.#begin = begin
  }

  get begun(): boolean {
    return this.#promise !== null
  }

  then<Fulfilled = Value, Rejected = never>(
    onFulfilled?: ((value: Value) => Fulfilled | PromiseLike<Fulfilled>) | null,
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Fulfilled | Rejected> {
    return this.#settled().then(onFulfilled, onRejected)
  }

  catch<Rejected = never>(
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Value | Rejected> {
    return this.#settled().catch(onRejected)
  }

  finally(onFinally?: (() => void) | null): Promise<Value> {
    return this.#settled().finally(onFinally)
  }

  #settled(): Promise<Value> {
    this.#promise ??= this.#begin()
    return this.#promise
  }
}
