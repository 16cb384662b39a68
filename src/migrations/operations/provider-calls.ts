import pLimit, { type LimitFunction } from 'p-limit'

import { AbortedError, throwIfAborted } from '../../core/errors.js'
import { plural } from '../../core/plural.js'
import { interactivePolicy, RetryManager, systemClock, type Clock } from '../../core/retry.js'
import type { ReembedOptions } from '../collection-operations.js'
import { MigrationError } from '../migration-error.js'
import { BadValue, describe } from './bad-value.js'
import { FUNCTION_TIMEOUT_MS, within } from './call-function.js'
import { modelName } from './map-hash.js'
import type { FuseTools } from './map-stages.js'
import { ProviderAnswerError, ProviderError } from './provider-error.js'
import { vectorFrom } from './record-rows.js'

/** Providers and their limits differ; a minute of 429 is nothing unusual. */
const PATIENCE = { ...interactivePolicy, maxRetries: 8 }
const MINUTE_MS = 60_000
const CHARACTERS_PER_TOKEN = 4

/** Calls of one embedding provider: so many at once, so many a minute, for so much money, repeated when they fail. */
export class ProviderCalls {
  readonly #operation: string
  readonly #options: ReembedOptions
  readonly #limit: LimitFunction
  readonly #retries: RetryManager
  readonly #clock: Clock
  readonly #timeoutMs: number
  #texts = 0
  #cost = 0
  #nextCall = Number.NEGATIVE_INFINITY
  #dimension: number | undefined

  /** Throws a {@link MigrationError} for settings that cannot be meant. */
  constructor(operation: string, options: ReembedOptions, tools: FuseTools) {
    checkOptions(operation, options)
    this.#operation = operation
    this.#options = options
    this.#limit = pLimit(options.concurrency ?? 4)
    this.#clock = tools.clock ?? systemClock
    this.#timeoutMs = tools.timeoutMs ?? FUNCTION_TIMEOUT_MS
    this.#retries = new RetryManager({
      policy: { ...PATIENCE, ...tools.retry },
      clock: this.#clock,
      onRetry: ({ error, delayMs }) =>
        tools.onRetry?.(`${this.#name}: ${error.message}; asked again in ${Math.ceil(delayMs / 1000)} s`),
    })
  }

  /** Texts that the provider has answered. */
  get texts(): number {
    return this.#texts
  }

  /** A vector for each text. Rejects with a {@link MigrationError} or an AbortedError. */
  async generate(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]> {
    return this.#limit(async () => {
      throwIfAborted(signal)
      this.#pay(texts)
      try {
        const call = { describe: this.#name, idempotent: true, signal }
        const answer = await this.#retries.run(() => this.#call(texts, signal), call)
        const vectors = this.#vectorsFrom(answer, texts.length)
        this.#texts += texts.length
        return vectors
      } catch (error) {
        throw this.#failure(error, signal)
      }
    })
  }

  /** The vector itself; throws a {@link MigrationError} when it is not as long as the others. */
  checkLength(vector: Float32Array): Float32Array {
    this.#dimension ??= vector.length
    if (vector.length !== this.#dimension)
      throw new MigrationError(
        'PROVIDER_FAILED',
        `${this.#name} made a vector of ${vector.length} numbers after others of ${this.#dimension}`,
      )
    return vector
  }

  get #name(): string {
    return `${this.#operation}: embedding provider ${modelName(this.#options)}`
  }

  async #call(texts: readonly string[], signal: AbortSignal): Promise<unknown> {
    await this.#turn(signal)
    try {
      const answer: unknown = await within(
        // A provider that throws at once is like one that rejects.
        Promise.resolve().then(() => this.#options.with.generate([...texts])),
        this.#timeoutMs,
        signal,
      )
      return answer
    } catch (error) {
      throwIfAborted(signal)
      throw new ProviderError(error, Date.now())
    }
  }

  /** Evenly spaced: no minute holds more calls than allowed. */
  async #turn(signal: AbortSignal): Promise<void> {
    const { rpm } = this.#options
    if (rpm === undefined) return
    const now = this.#clock.now()
    const at = Math.max(now, this.#nextCall)
    this.#nextCall = at + MINUTE_MS / rpm
    if (at > now) await this.#clock.sleep(at - now, signal)
  }

  #pay(texts: readonly string[]): void {
    const { pricePerThousandTokens: price, maxCost } = this.#options
    if (price === undefined || maxCost === undefined) return
    const tokens = texts.reduce((sum, text) => sum + tokensOf(text), 0)
    const cost = (tokens / 1000) * price
    if (this.#cost + cost > maxCost)
      throw new MigrationError(
        'COST_LIMIT',
        `${this.#name}: the next ${plural(texts.length, 'text')} would cost about ${money(cost)}, and of the ${money(maxCost)} allowed ${money(this.#cost)} are spent`,
        { hint: 'raise maxCost; vectors that were paid for are kept, and are not asked for again' },
      )
    this.#cost += cost
  }

  #vectorsFrom(answer: unknown, wanted: number): Float32Array[] {
    if (!Array.isArray(answer)) throw new ProviderAnswerError(`it answered ${describe(answer)}`)
    if (answer.length !== wanted)
      throw new ProviderAnswerError(
        `it answered ${plural(answer.length, 'vector')} for ${plural(wanted, 'text')}`,
      )
    return answer.map((item: unknown, at) => {
      try {
        return this.checkLength(vectorFrom(item))
      } catch (error) {
        if (!(error instanceof BadValue)) throw error
        throw new ProviderAnswerError(`vector ${at + 1} of ${wanted}: ${error.message}`)
      }
    })
  }

  #failure(error: unknown, signal: AbortSignal): unknown {
    throwIfAborted(signal)
    if (error instanceof MigrationError || error instanceof AbortedError || !(error instanceof Error))
      return error
    const said = error.message.startsWith(this.#name) ? error.message : `${this.#name}: ${error.message}`
    return new MigrationError('PROVIDER_FAILED', said, {
      hint: 'run it again when the provider is well: vectors that were made are kept',
      cause: error,
    })
  }
}

/** About so many; every model counts otherwise. */
export function tokensOf(text: string): number {
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN)
}

function checkOptions(operation: string, options: ReembedOptions): void {
  const refuse = (problem: string) => {
    throw new MigrationError('OPERATION_REFUSED', `${operation}: ${problem}`)
  }
  const provider: unknown = options.with
  if (typeof provider !== 'object' && typeof provider !== 'function')
    refuse('`with` must be an embedding provider, an object with generate(texts)')
  if (provider === null || typeof Reflect.get(Object(provider), 'generate') !== 'function')
    refuse('`with` has no generate(texts)')
  for (const key of ['batch', 'concurrency'] as const) {
    const value = options[key]
    if (value !== undefined && (!Number.isSafeInteger(value) || value < 1))
      refuse(`${key} must be a whole number above 0, not ${value}`)
  }
  const { rpm, pricePerThousandTokens: price, maxCost } = options
  if (rpm !== undefined && !(rpm > 0)) refuse(`rpm must be above 0, not ${rpm}`)
  if (price !== undefined && !(price >= 0)) refuse(`pricePerThousandTokens must not be ${price}`)
  if (maxCost !== undefined && !(maxCost >= 0)) refuse(`maxCost must not be ${maxCost}`)
  if (maxCost !== undefined && price === undefined)
    refuse('maxCost needs pricePerThousandTokens to reckon with')
}

function money(amount: number): string {
  return amount < 0.01 ? amount.toPrecision(2) : amount.toFixed(2)
}
