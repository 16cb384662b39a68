import type { ChromaApi } from '../../chroma/api.js'
import type { FusedMap, MapPreview } from '../operations/fuse.js'
import { modelName } from '../operations/map-hash.js'
import { tokensOf } from '../operations/provider-calls.js'
import { isOpaque } from '../operations/step-facts.js'
import type { RecordOperator } from '../record-operator.js'
import type { Step } from '../step.js'
import { keepsNothing } from './backup-need.js'
import type { PlannedEmbedding, PlannedStep, SampledRecords } from './migration-plan.js'
import type { RecordedStep } from './record-steps.js'
import { bytesOf, readSample } from './sample.js'
import type { VirtualCollection } from './virtual-database.js'

export interface PlanStepJob {
  readonly api: ChromaApi
  /** Records that the functions are tried on. */
  readonly sample: number
  /** What one request to the server takes, in milliseconds. */
  readonly latencyMs: number
  /** Whether what cannot be undone otherwise is backed up before. */
  readonly backsUp: boolean
  readonly signal: AbortSignal
}

/** What one step would do. Runs its functions on a sample; rejects with what they get wrong. */
export async function planStep(recorded: RecordedStep, job: PlanStepJob): Promise<PlannedStep> {
  const { step, map, source, number, title, state, left } = recorded
  const tried = state === 'new' ? await trial(map, source, job) : null
  const records = source?.records ?? null
  const losses = lossesOf(step, map, { records, tried: tried?.preview ?? null, backsUp: job.backsUp })
  const notes = [...losses]
  if (map !== null && tried === null && state === 'new' && source !== null && records !== 0)
    notes.push('not tried on a sample: an earlier step changes these records')
  if (isOpaque(step)) notes.push('code of its own is not simulated')
  if (state === 'begun') notes.push(`begun by an earlier run${left === null ? '' : `, at ${left}`}`)
  return {
    ...{ number, title, records, notes },
    done: state === 'done',
    opaque: isOpaque(step),
    destructive: losses.length > 0 && state !== 'done',
    changes: changesOf(step, map, source),
    sample: tried && sampled(tried.preview),
    embedding: tried && embeddingOf(map, tried.preview, records ?? 0),
    peakBytes:
      isCopy(step) && tried !== null ? scaled(tried.bytes, tried.preview.records, records ?? 0) : null,
    gapMs: step.kind === 'copyAndSwap' ? Math.round(2 * job.latencyMs) : null,
  }
}

interface Trial {
  readonly preview: MapPreview
  readonly bytes: number
}

/** Null: there is nothing to try the functions on. */
async function trial(
  map: FusedMap | null,
  source: VirtualCollection | null,
  { api, sample, signal }: PlanStepJob,
): Promise<Trial | null> {
  if (map === null || source === null || source.changed || source.origin === null) return null
  const records = source.records ?? 0
  if (records === 0 || sample === 0) return null
  const batch = await readSample(api, source.origin, { records, size: sample }, signal)
  return { preview: await map.preview(batch, signal), bytes: bytesOf(batch) }
}

function sampled({ records, changed, dropped }: MapPreview): SampledRecords {
  return { records, changed, dropped }
}

/** Null: no provider is asked. Texts that occur twice are asked for once, as far as the sample shows. */
function embeddingOf(map: FusedMap | null, preview: MapPreview, records: number): PlannedEmbedding | null {
  const operator = map?.operators.findLast((one) => one.kind === 'reembed')
  if (operator?.kind !== 'reembed') return null
  const { options } = operator
  const unique = new Set(preview.texts)
  const scale = (figure: number) => scaled(figure, preview.records, records)
  const missing = Math.max(0, unique.size - preview.cached)
  const tokensOfUnique = [...unique].reduce((sum, text) => sum + tokensOf(text), 0)
  const tokens = scale(unique.size === 0 ? 0 : (tokensOfUnique * missing) / unique.size)
  const { pricePerThousandTokens: price, rpm, batch = DEFAULT_BATCH } = options
  return {
    model: modelName(options),
    texts: scale(preview.texts.length),
    uniqueTexts: scale(unique.size),
    cached: scale(preview.cached),
    tokens,
    cost: price === undefined ? null : (tokens / 1000) * price,
    seconds: rpm === undefined ? null : Math.ceil((Math.ceil(scale(missing) / batch) / rpm) * 60),
  }
}

const DEFAULT_BATCH = 100

function scaled(figure: number, sample: number, all: number): number {
  return sample === 0 ? 0 : Math.round((figure * all) / sample)
}

/** What is lost for good, or may be; empty: nothing. */
function lossesOf(
  step: Step,
  map: FusedMap | null,
  of: { readonly records: number | null; readonly tried: MapPreview | null; readonly backsUp: boolean },
): readonly string[] {
  if (of.records === 0) return []
  const losses: string[] = []
  if (step.kind === 'drop') {
    const until = keepsNothing(step.keep) ? 'at once and for good' : `and kept for ${step.keep}`
    losses.push(`${step.collection} is dropped, ${until}`)
  }
  if (step.kind === 'copyAndSwap' && keepsNothing(step.options.keepOld) && !of.backsUp)
    losses.push(`the old ${step.collection} is not kept`)
  if (step.kind === 'inPlace' && !of.backsUp)
    losses.push(`${step.collection} is overwritten, and there will be no backup`)
  if (step.kind !== 'copyAndSwap') return losses
  if (of.tried !== null && of.tried.dropped > 0)
    losses.push(`${step.collection} loses records: ${of.tried.dropped} of ${of.tried.records} looked at`)
  else if (map?.operators.some(({ kind }) => kind === 'filter') === true && of.tried === null)
    losses.push(`${step.collection} may lose records to a filter`)
  return losses
}

function isCopy({ kind }: Step): boolean {
  return kind === 'copyAndSwap' || kind === 'copyTo' || kind === 'split'
}

function changesOf(step: Step, map: FusedMap | null, source: VirtualCollection | null): readonly string[] {
  if (step.kind === 'create') return [`space ${step.options.space ?? 'l2'}`]
  if (step.kind === 'setConfiguration')
    return Object.entries(step.configuration).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
  return (map?.operators ?? []).map((operator) => changeOf(operator, source))
}

function changeOf(operator: RecordOperator, source: VirtualCollection | null): string {
  switch (operator.kind) {
    case 'changeSpace':
      return `${source?.space ?? '?'}→${operator.space}`
    case 'changeDimension':
      return `${source?.dimension ?? '?'}→${operator.dimension}`
    case 'reembed':
      return `reembed with ${modelName(operator.options)}`
    case 'transform':
    case 'filter':
      return operator.kind
  }
}
