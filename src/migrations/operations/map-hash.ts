import { hash } from 'node:crypto'

import type { JsonValue } from '../../core/json.js'
import { fromPlain } from '../../core/json.js'
import type { EmbeddingProvider, ReembedOptions } from '../collection-operations.js'
import type { RecordOperator } from '../record-operator.js'
import { canonicalText } from './canonical-text.js'

/**
 * Differs when the operators, their order, the source of their functions or their settings differ. Not
 * what only changes the pace: batch, concurrency, calls per minute, cost.
 */
export function mapHash(operators: readonly RecordOperator[]): string {
  return hash('sha256', canonicalText(operators.map(factsOf)), 'hex')
}

function factsOf(operator: RecordOperator): unknown {
  if (operator.kind !== 'reembed') return operator
  const { input } = operator.options
  return { kind: operator.kind, model: modelFacts(operator.options), input }
}

/** What makes the vectors of one provider differ from those of another. */
function modelFacts({ model, with: provider }: ReembedOptions): unknown {
  if (model !== undefined) return { model }
  const name = providerName(provider)
  return name === undefined
    ? { generate: sourceOf(provider) }
    : { name, config: configOf(provider, isAboutAccess) }
}

function sourceOf(provider: EmbeddingProvider): unknown {
  return Reflect.get(provider, 'generate')
}

/**
 * A key for the vectors of this model, the same in every run; undefined for a provider that says neither its
 * name nor, with `model`, which one it is: its vectors must not be taken for those of another.
 */
export function modelKey(options: ReembedOptions): string | undefined {
  if (options.model === undefined && providerName(options.with) === undefined) return undefined
  return canonicalText(modelFacts(options))
}

/** For people. */
export function modelName({ model, with: provider }: ReembedOptions): string {
  return model ?? providerName(provider) ?? 'unnamed'
}

/**
 * `embedding_function` of a collection whose vectors a provider has made, as the official clients write it:
 * `legacy` means that the application knows it.
 */
export function embeddingFunctionOf(provider: EmbeddingProvider): JsonValue {
  const name = providerName(provider)
  const config = configOf(provider)
  if (name === undefined || config === undefined) return fromPlain({ type: 'legacy' })
  return fromPlain({ type: 'known', name, config })
}

function providerName({ name }: EmbeddingProvider): string | undefined {
  return typeof name === 'string' && name !== '' ? name : undefined
}

/** The configuration as plain data without anything that could be a secret; undefined when there is none. */
function configOf(provider: EmbeddingProvider, leftOut = isSecret): unknown {
  if (typeof provider.getConfig !== 'function') return undefined
  try {
    return without(provider.getConfig(), leftOut)
  } catch {
    // Some cannot tell theirs unless they were made from a configuration.
    return undefined
  }
}

function without(value: unknown, leftOut: (key: string) => boolean): unknown {
  const text: unknown = JSON.stringify(value, (key, item: unknown) => (leftOut(key) ? undefined : item))
  return typeof text === 'string' ? JSON.parse(text) : undefined
}

/** Who pays does not change what a model answers. */
function isAboutAccess(key: string): boolean {
  return isVariable(key) || isSecret(key)
}

/** The name of an environment variable is no secret. */
function isVariable(key: string): boolean {
  return /env(_?var)?$/i.test(key)
}

function isSecret(key: string): boolean {
  return !isVariable(key) && SECRET.test(key)
}

const SECRET =
  /api_?key|secret|passw|authorization|headers?$|credential|^key$|(access|auth|bearer|api)_?token|^token$/i
