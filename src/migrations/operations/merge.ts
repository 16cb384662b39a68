import { spaceOf } from '../../chroma/space.js'
import { withTrueSpace } from '../../chroma/probe-space.js'
import { pickRows } from '../../core/batch-rows.js'
import { isJsonObject, toPlain, type JsonValue } from '../../core/json.js'
import { isOrAre, plural } from '../../core/plural.js'
import type { CollectionDefinition, RecordBatch } from '../../core/records.js'
import { MigrationError } from '../migration-error.js'
import type { StepOutcome } from '../step-outcome.js'
import type { Step } from '../step.js'
import { quoted } from './bad-value.js'
import { buildCopies } from './build-copies.js'
import { canonicalText } from './canonical-text.js'
import type { CopyPlan } from './copy-plan.js'
import { stepHash } from './step-facts.js'
import { addressOf, checkNewName, type StepTools } from './step-tools.js'

type MergeStep = Extract<Step, { readonly kind: 'merge' }>

/** Ids that are in several collections are looked for so many at once. */
const IDS_AT_ONCE = 1000

/** The records of several collections of the same space, dimension and model, in a new one. */
export async function mergeStep(step: MergeStep, tools: StepTools): Promise<StepOutcome> {
  checkNewName(step.into)
  const sources: CollectionDefinition[] = []
  for (const name of [step.collection, ...step.others]) {
    const found = await tools.api.getCollection(addressOf(tools, name), tools.signal)
    sources.push(await withTrueSpace(tools.api, found, tools.signal))
  }
  checkSources(step, sources)
  const plan: CopyPlan = {
    kind: 'merge',
    content: stepHash(step),
    sources,
    targets: [step.into],
    map: null,
    part: async (batch, source) => new Map([[step.into, await winners(step, tools, sources, source, batch)]]),
  }
  return buildCopies(plan, tools)
}

function checkSources(step: MergeStep, sources: readonly CollectionDefinition[]): void {
  const refuse = (problem: string, hint: string) => {
    throw new MigrationError('OPERATION_REFUSED', `merge into ${step.into}: ${problem}`, { hint })
  }
  const ids = sources.map(({ id }) => id)
  if (new Set(ids).size < ids.length) refuse('a collection is named twice', 'name each once')
  const [first, ...others] = sources
  if (first === undefined) return
  for (const other of others) {
    const pair = `${first.name} and ${other.name}`
    if (spaceOf(first) !== spaceOf(other))
      refuse(
        `${pair} measure ${spaceOf(first)} and ${spaceOf(other)}`,
        'bring one to the space of the other with changeSpace in a step before',
      )
    if (first.dimension !== null && other.dimension !== null && first.dimension !== other.dimension)
      refuse(
        `${pair} have vectors of ${first.dimension} and ${other.dimension} numbers`,
        'bring one to the model of the other with reembed in a step before',
      )
    if (modelOf(first) !== null && modelOf(other) !== null && modelOf(first) !== modelOf(other))
      refuse(
        `${pair} have vectors of different embedding functions`,
        'bring one to the model of the other with reembed in a step before',
      )
  }
}

/** What makes the vectors, without what only says who pays; null when the collection does not say. */
function modelOf({ configuration }: CollectionDefinition): string | null {
  const embedding: JsonValue | undefined = isJsonObject(configuration)
    ? configuration.get('embedding_function')
    : null
  if (!isJsonObject(embedding) || embedding.get('type') !== 'known') return null
  const config = embedding.get('config') ?? null
  const lasting = isJsonObject(config) ? [...config].filter(([key]) => !/key|env/i.test(key)) : []
  return canonicalText([embedding.get('name'), toPlain(new Map(lasting))])
}

/** The records of a batch that get into the result: of those that are in several collections, one. */
async function winners(
  { onConflict, into }: MergeStep,
  tools: StepTools,
  sources: readonly CollectionDefinition[],
  source: CollectionDefinition,
  batch: RecordBatch,
): Promise<RecordBatch> {
  const at = sources.indexOf(source)
  const rivals = onConflict === 'first' ? sources.slice(0, at) : sources.slice(at + 1)
  const elsewhere = new Map<string, string>()
  for (const rival of rivals)
    for (const id of await sharedIds(tools, rival, batch.ids)) elsewhere.set(id, rival.name)
  const [conflict] = elsewhere
  if (conflict === undefined) return batch
  if (onConflict === 'fail')
    throw new MigrationError(
      'OPERATION_REFUSED',
      `merge into ${into}: ${plural(elsewhere.size, 'id')}, such as ${quoted(conflict[0])}, ${isOrAre(elsewhere.size)} in ${source.name} and in ${conflict[1]}`,
      { hint: "say with onConflict: 'first' or 'last' which record counts" },
    )
  return pickRows(
    batch,
    batch.ids.flatMap((id, row) => (elsewhere.has(id) ? [] : [row])),
  )
}

async function sharedIds(
  { api, signal }: StepTools,
  collection: CollectionDefinition,
  ids: readonly string[],
): Promise<string[]> {
  const size = Math.min(IDS_AT_ONCE, api.mostPerRequest)
  const found: string[] = []
  for (let from = 0; from < ids.length; from += size)
    found.push(...(await api.get(collection, { ids: ids.slice(from, from + size), include: [] }, signal)).ids)
  return found
}
