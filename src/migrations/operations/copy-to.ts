import { measureRecall } from '../swap/measure-recall.js'
import { readAll } from '../../chroma/read-by-ids.js'
import { sliceRows } from '../../core/batch-rows.js'
import { GuardError } from '../../core/errors.js'
import { displayName, type CollectionDefinition } from '../../core/records.js'
import type { VerifyOptions } from '../collection-operations.js'
import type { StepOutcome } from '../step-outcome.js'
import type { Step } from '../step.js'
import { buildCopies } from './build-copies.js'
import type { CopyPlan } from './copy-plan.js'
import type { CopyTarget } from './copy-targets.js'
import { addressOf, checkNewName, type StepTools } from './step-tools.js'

type CopyToStep = Extract<Step, { readonly kind: 'copyTo' }>

/** Rejects with a GuardError `RECALL_TOO_LOW` when queries of the copy find too little of what they found before. */
export async function copyToStep(step: CopyToStep, tools: StepTools): Promise<StepOutcome> {
  checkNewName(step.to)
  const source = await tools.api.getCollection(addressOf(tools, step.collection), tools.signal)
  const plan: CopyPlan = {
    kind: 'copyTo',
    content: step.map.hash,
    sources: [source],
    targets: [step.to],
    map: step.map,
    part: (batch) => new Map([[step.to, batch]]),
  }
  return buildCopies(plan, tools, (targets) => checkRecall(step, tools, source, targets))
}

const DEFAULT_RECALL = { queries: 100, k: 10 } as const

async function checkRecall(
  { map, verify }: { readonly map: CopyToStep['map']; readonly verify: VerifyOptions },
  { api, concurrency, tempDir, signal }: StepTools,
  source: CollectionDefinition,
  targets: readonly CopyTarget[],
): Promise<void> {
  const [target] = targets
  if (verify.recall === undefined || target === undefined) return
  const { queries, k: neighbours, min } = { ...DEFAULT_RECALL, ...verify.recall }
  const all = readAll({ api, collection: source, vectors: true, concurrency, tempDir, signal })
  for await (const batch of all) {
    const old = sliceRows(batch, 0, queries)
    const job = { api, source, target: target.collection, neighbours, signal }
    const recall = await measureRecall(job, old, await map.map(old, signal))
    if (recall === null || recall >= min) return
    throw new GuardError(
      'RECALL_TOO_LOW',
      `queries of the copy of ${displayName(source)} find ${(100 * recall).toFixed(1)} % of what they found before, less than the ${(100 * min).toFixed(1)} % that verify.recall asks for; the copy is ${target.collection.name}`,
      { hint: 'look at the copy, then run: chroma-ops migrate abort' },
    )
  }
}
