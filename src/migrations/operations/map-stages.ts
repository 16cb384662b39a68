import type { JsonValue } from '../../core/json.js'
import type { Clock } from '../../core/retry.js'
import type { RetryPolicy } from '../../core/retry-policy.js'
import type { EmbeddingCache } from '../embedding-cache.js'
import { MigrationError } from '../migration-error.js'
import type { RecordOperator } from '../record-operator.js'
import { BadValue, describe } from './bad-value.js'
import { callAtOnce, callFunction } from './call-function.js'
import { embeddingFunctionOf } from './map-hash.js'
import { changedRow, shownRecord, type Row } from './record-rows.js'
import { Reembedder } from './reembed.js'

export interface FuseTools {
  readonly cache: EmbeddingCache
  /** Called when a provider failed and is asked again. */
  readonly onRetry?: (message: string) => void
  /** For one call of a function or a provider; default 5 minutes. */
  readonly timeoutMs?: number
  /** How patient one is with a provider. */
  readonly retry?: Partial<RetryPolicy>
  readonly clock?: Clock
}

/** One operator at work. */
export interface Stage {
  readonly embeddingFunction?: JsonValue
  /** Texts that a provider was asked for. */
  readonly embedded?: () => number
  /** Cuts vectors, and may find them too short. */
  readonly cuts?: true
  apply(rows: readonly Row[], signal: AbortSignal): Promise<Row[]>
  /** Instead of {@link apply} where no provider is to be asked; takes the texts. */
  readonly preview?: (rows: readonly Row[]) => PreviewedTexts
}

export interface PreviewedTexts {
  /** The cache's key; undefined: nothing of it is kept. */
  readonly model: string | undefined
  readonly texts: readonly string[]
}

/** Throws a {@link MigrationError} for settings that cannot be meant. */
export function stagesOf(operators: readonly RecordOperator[], tools: FuseTools): Stage[] {
  return operators.flatMap((operator, at): Stage[] => {
    const name = operators.length === 1 ? operator.kind : `${operator.kind} (operation ${at + 1})`
    switch (operator.kind) {
      case 'transform':
        return [transformStage(name, operator.change, tools)]
      case 'filter':
        return [filterStage(name, operator.keep)]
      case 'reembed': {
        const reembedder = new Reembedder(name, operator.options, tools)
        return [
          {
            embeddingFunction: embeddingFunctionOf(operator.options.with),
            embedded: () => reembedder.embedded,
            apply: (rows, signal) => reembedder.apply(rows, signal),
            preview: (rows) => reembedder.preview(rows),
          },
        ]
      }
      case 'changeDimension':
        return [cutStage(name, operator.dimension)]
      case 'changeSpace':
        return []
    }
  })
}

/** Functions that wait for something may do so for so many records at once. */
const AT_ONCE = 16

function transformStage(
  operation: string,
  change: (record: ReturnType<typeof shownRecord>) => unknown,
  { timeoutMs }: FuseTools,
): Stage {
  const changed = (row: Row, signal: AbortSignal) =>
    callFunction(
      { operation, id: row.id },
      () => change(shownRecord(row)),
      (answer) => (answer === null ? null : changedRow(row, answer)),
      { signal, ...(timeoutMs !== undefined && { timeoutMs }) },
    )
  return {
    async apply(rows, signal) {
      const kept: Row[] = []
      for (let from = 0; from < rows.length; from += AT_ONCE) {
        const piece = rows.slice(from, from + AT_ONCE)
        // In their turn when they answer at once, side by side when they wait.
        for (const row of await Promise.all(piece.map((one) => changed(one, signal))))
          if (row !== null) kept.push(row)
      }
      return kept
    },
  }
}

function filterStage(operation: string, keep: (record: ReturnType<typeof shownRecord>) => unknown): Stage {
  const keeps = (row: Row) =>
    callAtOnce(
      { operation, id: row.id },
      () => keep(shownRecord(row)),
      (answer) => {
        if (typeof answer !== 'boolean')
          throw new BadValue(`it gave back ${describe(answer)} instead of true or false`)
        return answer
      },
    )
  return { apply: async (rows) => rows.filter(keeps) }
}

function cutStage(operation: string, dimension: number): Stage {
  if (!Number.isSafeInteger(dimension) || dimension < 1)
    throw new MigrationError('OPERATION_REFUSED', `${operation}: ${dimension} is no number of dimensions`)
  return {
    cuts: true,
    apply: async (rows) =>
      rows.map((row) => ({ ...row, embedding: row.embedding && cut(operation, row.embedding, dimension) })),
  }
}

function cut(operation: string, vector: Float32Array, dimension: number): Float32Array {
  if (vector.length < dimension)
    throw new MigrationError(
      'OPERATION_REFUSED',
      `${operation}: vectors of ${vector.length} numbers cannot be made ${dimension} long`,
      { hint: 'make longer vectors with reembed' },
    )
  if (vector.length === dimension) return vector
  const shorter = vector.slice(0, dimension)
  const length = lengthOf(shorter)
  // What has length one, as most models make it, has it afterwards, too.
  if (length > 0 && Math.abs(lengthOf(vector) - 1) < UNIT_TOLERANCE)
    for (const [at, value] of shorter.entries()) shorter[at] = value / length
  return shorter
}

const UNIT_TOLERANCE = 1e-3

function lengthOf(vector: Float32Array): number {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
}
