import type { JsonValue } from '../../core/json.js'
import type { RecordBatch, Space } from '../../core/records.js'
import { MigrationError } from '../migration-error.js'
import type { RecordMap } from '../record-map.js'
import type { RecordOperator } from '../record-operator.js'
import { quoted } from './bad-value.js'
import { mapHash } from './map-hash.js'
import { previewOf, type MapPreview } from './map-preview.js'
import { stagesOf, type FuseTools, type Stage } from './map-stages.js'
import { batchOf, rowsOf, sameVector, type Row } from './record-rows.js'

export type { MapPreview } from './map-preview.js'
export type { FuseTools } from './map-stages.js'

/** A chain of operators as one pass. */
export interface FusedMap extends RecordMap {
  readonly operators: readonly RecordOperator[]
  /**
   * Runs the functions on some records, without asking a provider: for a plan. Rejects as `map` does for what
   * a function gets wrong, and for records without text.
   */
  preview(batch: RecordBatch, signal: AbortSignal): Promise<MapPreview>
}

/** Throws a {@link MigrationError} when the operators do not fit together. */
export function fuse(operators: readonly RecordOperator[], tools: FuseTools): FusedMap {
  return new Fused(operators, stagesOf(operators, tools), tools)
}

class Fused implements FusedMap {
  readonly operators: readonly RecordOperator[]
  readonly hash: string
  readonly space: Space | null
  readonly embeddingFunction?: JsonValue
  readonly #stages: readonly Stage[]
  readonly #tools: FuseTools
  #newVectors: boolean

  constructor(operators: readonly RecordOperator[], stages: readonly Stage[], tools: FuseTools) {
    this.operators = operators
    this.hash = mapHash(operators)
    this.space = operators.findLast((operator) => operator.kind === 'changeSpace')?.space ?? null
    this.#stages = stages
    this.#tools = tools
    this.#newVectors = operators.some(({ kind }) => kind === 'reembed' || kind === 'changeDimension')
    const embedding = stages.findLast(({ embeddingFunction }) => embeddingFunction !== undefined)
    if (embedding?.embeddingFunction !== undefined) this.embeddingFunction = embedding.embeddingFunction
  }

  get newVectors(): boolean {
    return this.#newVectors
  }

  get embedded(): number {
    return this.#stages.reduce((sum, { embedded }) => sum + (embedded?.() ?? 0), 0)
  }

  async map(batch: RecordBatch, signal: AbortSignal): Promise<RecordBatch> {
    const before = rowsOf(batch)
    let rows = before
    for (const stage of this.#stages) rows = await stage.apply(rows, signal)
    this.#checkVectors(before, rows)
    return batchOf(rows, batch.dimension)
  }

  async preview(batch: RecordBatch, signal: AbortSignal): Promise<MapPreview> {
    return previewOf({ batch, stages: this.#stages, cache: this.#tools.cache, signal })
  }

  /** No record may lose its vector on the way, and all vectors are equally long. */
  #checkVectors(before: readonly Row[], after: readonly Row[]): void {
    const source = new Map(before.map((row) => [row.id, row]))
    let width: number | undefined
    for (const { id, embedding } of after) {
      const old = source.get(id)?.embedding ?? null
      if (embedding === null) {
        if (old !== null) throw badRecord(id, 'its embedding was taken away, and nothing made a new one')
        continue
      }
      width ??= embedding.length
      if (embedding.length !== width)
        throw badRecord(id, `its embedding has ${embedding.length} numbers, that of others ${width}`)
      if (!this.#newVectors && !sameVector(old, embedding)) this.#newVectors = true
    }
  }
}

function badRecord(id: string, problem: string): MigrationError {
  return new MigrationError('BAD_RECORD', `record ${quoted(id)}: ${problem}`)
}
