import { pickRows } from '../../core/batch-rows.js'
import type { RecordBatch } from '../../core/records.js'
import { MigrationError } from '../migration-error.js'
import type { StepOutcome } from '../step-outcome.js'
import type { Step } from '../step.js'
import { BadValue, describe } from './bad-value.js'
import { buildCopies } from './build-copies.js'
import { callAtOnce } from './call-function.js'
import type { Parts } from './copy-plan.js'
import { rowsOf, shownRecord } from './record-rows.js'
import { stepHash } from './step-facts.js'
import { addressOf, checkNewName, type StepTools } from './step-tools.js'

type SplitStep = Extract<Step, { readonly kind: 'split' }>

/** Each record goes to one of the new collections, or nowhere. */
export async function splitStep(step: SplitStep, tools: StepTools): Promise<StepOutcome> {
  checkNames(step)
  const source = await tools.api.getCollection(addressOf(tools, step.collection), tools.signal)
  const plan = {
    kind: 'split',
    content: stepHash(step),
    sources: [source],
    targets: step.names,
    map: step.map,
    part: (batch: RecordBatch) => partsOf(step, batch),
  } as const
  return buildCopies(plan, tools)
}

function checkNames({ collection, names }: SplitStep): void {
  if (names.length === 0)
    throw new MigrationError('OPERATION_REFUSED', `split of ${collection}: no names were given`)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined)
    throw new MigrationError('OPERATION_REFUSED', `split of ${collection}: "${twice}" is named twice`)
  for (const name of names) checkNewName(name)
}

function partsOf({ by, names }: SplitStep, batch: RecordBatch): Parts {
  const rows = new Map<string, number[]>(names.map((name) => [name, []]))
  rowsOf(batch).forEach((row, at) => {
    const name = callAtOnce(
      { operation: 'split', id: row.id },
      () => by(shownRecord(row)),
      (answer) => nameFrom(answer, names),
    )
    if (name !== null) rows.get(name)?.push(at)
  })
  return new Map([...rows].map(([name, picked]) => [name, pickRows(batch, picked)]))
}

function nameFrom(answer: unknown, names: readonly string[]): string | null {
  if (answer === null) return null
  if (typeof answer === 'string' && names.includes(answer)) return answer
  throw new BadValue(`it gave back ${describe(answer)}, which is none of ${names.join(', ')}, nor null`)
}
