import type { StepContext, StepOutcome } from '../step-outcome.js'
import type { Step } from '../step.js'
import { copyAndSwap } from '../swap/copy-and-swap.js'
import { clientStep, codeStep } from './code-step.js'
import { copyToStep } from './copy-to.js'
import { createStep } from './create.js'
import { guardedTools } from './guarded-api.js'
import { inPlaceStep } from './in-place.js'
import { mergeStep } from './merge.js'
import { renameStep } from './rename.js'
import { setConfigurationStep } from './set-configuration.js'
import { setMetadataStep } from './set-metadata.js'
import { splitStep } from './split.js'
import { dropStep } from './trash.js'

/**
 * Does one step, or what is left of it after a run that died: the journal and the ids on the server tell what
 * was done. Rejects with a {@link MigrationError} for what the migration itself got wrong, with a
 * LockLostError, AbortedError or the errors of the server; the step may be run again then.
 */
export async function runStep(step: Step, context: StepContext): Promise<StepOutcome> {
  if (step.kind === 'copyAndSwap') return copyAndSwap(step, context)
  const tools = guardedTools(context)
  switch (step.kind) {
    case 'create':
      return createStep(step, tools)
    case 'drop':
      return dropStep(step, tools)
    case 'rename':
      return renameStep(step, tools)
    case 'setMetadata':
      return setMetadataStep(step, tools)
    case 'setConfiguration':
      return setConfigurationStep(step, tools)
    case 'inPlace':
      return inPlaceStep(step, tools)
    case 'copyTo':
      return copyToStep(step, tools)
    case 'split':
      return splitStep(step, tools)
    case 'merge':
      return mergeStep(step, tools)
    case 'code':
      return codeStep(step, tools)
    case 'client':
      return clientStep(step, tools)
  }
}
