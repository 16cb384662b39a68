import { asError, OpsError, throwIfAborted } from '../../core/errors.js'
import { MigrationError } from '../migration-error.js'
import type { StepOutcome, Undo } from '../step-outcome.js'
import type { Step } from '../step.js'
import { within } from './call-function.js'
import { nothingDone, type StepTools } from './step-tools.js'

type Run = (context: { readonly signal: AbortSignal }) => Promise<void> | void

/** Code of the migration's own. What it does cannot be told, so it is done anew when it was not finished. */
export async function codeStep(
  step: Extract<Step, { readonly kind: 'code' }>,
  tools: StepTools,
): Promise<StepOutcome> {
  await runCode(`step "${step.name}"`, () => step.run({ signal: tools.signal }), tools)
  return { ...nothingDone, undo: step.down === null ? null : { kind: 'code', name: step.name } }
}

/** Code that gets the official client of the same database. */
export async function clientStep(
  step: Extract<Step, { readonly kind: 'client' }>,
  tools: StepTools,
): Promise<StepOutcome> {
  const client = await tools.openClient()
  await runCode(`client step "${step.name}"`, () => step.run(client), tools)
  return nothingDone
}

export async function undoCode(
  undo: Extract<Undo, { readonly kind: 'code' }>,
  tools: StepTools,
  down: Run | null,
): Promise<StepOutcome> {
  if (down === null)
    throw new MigrationError('OPERATION_REFUSED', `step "${undo.name}" has no down in the file any more`)
  await runCode(`down of step "${undo.name}"`, () => down({ signal: tools.signal }), tools)
  return nothingDone
}

/** An abort ends the waiting at once; the code is told by its signal. */
async function runCode(
  what: string,
  run: () => Promise<void> | void,
  { signal, guard }: StepTools,
): Promise<void> {
  throwIfAborted(signal)
  await guard.check()
  try {
    await within(Promise.resolve().then(run), null, signal)
  } catch (error) {
    throwIfAborted(signal)
    if (error instanceof OpsError) throw error
    const cause = asError(error)
    throw new MigrationError('FUNCTION_FAILED', `${what} failed: ${cause.message}`, { cause })
  }
}
