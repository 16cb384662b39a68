import { randomUUID } from 'node:crypto'

import { throwIfAborted } from '../../core/errors.js'
import { plural } from '../../core/plural.js'
import type { ReembedOptions } from '../collection-operations.js'
import { MigrationError } from '../migration-error.js'
import { BadValue, describe, quoted } from './bad-value.js'
import { callAtOnce } from './call-function.js'
import { modelKey } from './map-hash.js'
import type { FuseTools, PreviewedTexts } from './map-stages.js'
import { ProviderCalls } from './provider-calls.js'
import { shownRecord, type Row } from './record-rows.js'

/** Ids in a message; the others are counted. */
const MAX_NAMES = 5

/** Gives records the vectors that a provider makes of their texts. */
export class Reembedder {
  readonly #operation: string
  readonly #options: ReembedOptions
  readonly #calls: ProviderCalls
  readonly #tools: FuseTools
  /** A provider that does not say which one it is has a key for this run only. */
  readonly #model: string
  readonly #asking = new Map<string, Promise<Float32Array>>()

  /** Throws a {@link MigrationError} for settings that cannot be meant. */
  constructor(operation: string, options: ReembedOptions, tools: FuseTools) {
    this.#operation = operation
    this.#options = options
    this.#tools = tools
    this.#calls = new ProviderCalls(operation, options, tools)
    this.#model = modelKey(options) ?? `unnamed ${randomUUID()}`
  }

  get embedded(): number {
    return this.#calls.texts
  }

  async apply(rows: readonly Row[], signal: AbortSignal): Promise<Row[]> {
    const texts = this.#textsOf(rows)
    const vectors = await this.#vectorsOf([...new Set(texts)], signal)
    return rows.map((row, at) => ({ ...row, embedding: vectors.get(texts[at] ?? '') ?? null }))
  }

  preview(rows: readonly Row[]): PreviewedTexts {
    return { model: modelKey(this.#options), texts: this.#textsOf(rows) }
  }

  #textsOf(rows: readonly Row[]): string[] {
    const { input } = this.#options
    const without: string[] = []
    const texts = rows.map((row) => {
      const text = input === undefined ? row.document : this.#inputOf(row, input)
      if (text === null) without.push(row.id)
      return text ?? ''
    })
    if (without.length > 0) throw this.#missing(without, rows.length)
    return texts
  }

  #inputOf(row: Row, input: NonNullable<ReembedOptions['input']>): string | null {
    return callAtOnce(
      { operation: `${this.#operation} input`, id: row.id },
      () => input(shownRecord(row)),
      (answer) => {
        if (answer !== null && typeof answer !== 'string')
          throw new BadValue(`it gave back ${describe(answer)} instead of a text, or null for none`)
        return answer
      },
    )
  }

  #missing(ids: readonly string[], of: number): MigrationError {
    const names = ids.slice(0, MAX_NAMES).map(quoted).join(', ')
    const more = ids.length > MAX_NAMES ? ` and ${ids.length - MAX_NAMES} more` : ''
    return new MigrationError(
      'TEXT_MISSING',
      `${this.#operation}: ${ids.length} of ${plural(of, 'record')} looked at ${ids.length === 1 ? 'has' : 'have'} no text to make a vector from: ${names}${more}`,
      { hint: 'say with input where their text is, or leave them out with filter' },
    )
  }

  async #vectorsOf(
    texts: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Float32Array>> {
    const vectors = new Map<string, Float32Array>()
    const known = await this.#tools.cache.get(this.#model, texts)
    throwIfAborted(signal)
    const underWay: { readonly text: string; readonly vector: Promise<Float32Array> }[] = []
    const missing: string[] = []
    for (const [at, text] of texts.entries()) {
      const vector = known[at] ?? null
      // Another batch may be asking for the same.
      const asked = this.#asking.get(text)
      if (vector !== null) vectors.set(text, this.#calls.checkLength(vector))
      else if (asked !== undefined) underWay.push({ text, vector: asked })
      else missing.push(text)
    }
    const answers = this.#ask(missing, signal)
    for (const { text, vector } of [...underWay, ...answers]) vectors.set(text, await vector)
    return vectors
  }

  /** One call for each `batch` of texts; what is answered is in the cache before anybody sees it. */
  #ask(texts: readonly string[], signal: AbortSignal) {
    const { batch = 100 } = this.#options
    const answers: { readonly text: string; readonly vector: Promise<Float32Array> }[] = []
    for (let from = 0; from < texts.length; from += batch) {
      const piece = texts.slice(from, from + batch)
      const made = this.#calls.generate(piece, signal).then(async (vectors) => {
        await this.#tools.cache.put(this.#model, piece, vectors)
        return vectors
      })
      piece.forEach((text, at) => {
        const vector = made.then((vectors) => vectors[at] ?? new Float32Array())
        this.#asking.set(text, vector)
        // Awaited by whoever wants it; until then a failure must not count as unhandled.
        vector.catch(() => {}).finally(() => this.#asking.delete(text))
        answers.push({ text, vector })
      })
    }
    return answers
  }
}
