import { TRASH_KEY } from '../../core/migration-keys.js'
import { findById } from '../../transfer/commit-shadow.js'
import type { StepContext } from '../step-outcome.js'
import type { Step } from '../step.js'
import { abortSwap } from '../swap/abort-swap.js'
import { dropShadows } from './build-copies.js'
import { readCopyJournal } from './copy-targets.js'
import { guardedTools } from './guarded-api.js'
import { removeCreated } from './remove-created.js'
import { undoRename } from './rename.js'
import { undoSetConfiguration } from './set-configuration.js'
import { undoSetMetadata } from './set-metadata.js'
import { addressOf, dropShadow, readJournal, refOf, type StepTools } from './step-tools.js'
import { untrash } from './trash.js'

/**
 * Takes back what an unfinished step has done, given its journal; of a copy what was built is removed, of an
 * unfinished change in place nothing can be taken back. May be repeated. Returns what the operator should know.
 */
export async function abandonStep(
  step: Step,
  context: StepContext,
  options: { readonly acceptDataLoss: boolean },
): Promise<readonly string[]> {
  const progress = context.journal.read()
  if (progress === null) return []
  if (step.kind === 'copyAndSwap') return abortSwap(progress, context, options)
  const tools = guardedTools(context)
  switch (step.kind) {
    case 'copyTo':
    case 'split':
    case 'merge': {
      await dropShadows(tools)
      const refs = [...readCopyJournal(tools).ids].map(([name, id]) => ({ ...addressOf(tools, name), id }))
      return removeCreated(refs, tools)
    }
    case 'create': {
      const begun = readJournal(tools)
      const [id, shadow] = [begun.text('id'), begun.text('shadow')]
      if (shadow !== null) await dropShadow(tools, shadow)
      return id === null ? [] : removeCreated([{ ...addressOf(tools, step.collection), id }], tools)
    }
    case 'drop':
    case 'rename':
    case 'setMetadata':
    case 'setConfiguration':
      return abandonSimple(step, tools)
    case 'inPlace':
      return [`${step.collection}: records that were changed in place stay as they are now`]
    case 'code':
    case 'client':
      return [`what the code of "${step.name}" has done stays`]
  }
}

/** Their journal is there before the request: whether that was done is seen by what the collection is now. */
async function abandonSimple(step: SimpleStep, tools: StepTools): Promise<readonly string[]> {
  const begun = readJournal(tools)
  const id = begun.text('id')
  const found = id === null ? undefined : await findById(tools.api, tools, id, tools.signal)
  if (found === undefined) return []
  const collection = refOf(found)
  switch (step.kind) {
    case 'drop':
      if (found.metadata?.has(TRASH_KEY) === true)
        await untrash({ kind: 'untrash', collection, name: step.collection, keepUntil: null }, tools)
      return []
    case 'rename':
      await undoRename({ kind: 'rename', collection, from: step.collection }, tools)
      return []
    case 'setMetadata': {
      const [previous, applied] = [begun.value('previous') ?? null, begun.value('next') ?? null]
      return (await undoSetMetadata({ kind: 'setMetadata', collection, previous, applied }, tools)).notes
    }
    case 'setConfiguration': {
      const previous = begun.value('previous') ?? null
      await undoSetConfiguration({ kind: 'setConfiguration', collection, previous }, tools)
      return []
    }
  }
}

type SimpleStep = Extract<Step, { readonly kind: 'drop' | 'rename' | 'setMetadata' | 'setConfiguration' }>
