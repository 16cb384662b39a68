import { hash } from 'node:crypto'

import type { Step } from '../step.js'
import { canonicalText } from './canonical-text.js'

/** Collections by name. */
export interface Touched {
  readonly reads: readonly string[]
  /** Changed, created, renamed or removed. */
  readonly writes: readonly string[]
}

/** What a step reads and writes; null for code of one's own, which may touch anything. */
export function touchedBy(step: Step): Touched | null {
  switch (step.kind) {
    case 'create':
    case 'drop':
    case 'setMetadata':
    case 'setConfiguration':
    case 'copyAndSwap':
    case 'inPlace':
      return { reads: [step.collection], writes: [step.collection] }
    case 'rename':
      return { reads: [step.collection], writes: [step.collection, step.to] }
    case 'copyTo':
      return { reads: [step.collection], writes: [step.to] }
    case 'split':
      return { reads: [step.collection], writes: step.names }
    case 'merge':
      return { reads: [step.collection, ...step.others], writes: [step.into] }
    case 'code':
    case 'client':
      return null
  }
}

/** Whether the step, once done, leaves an {@link import('../step-outcome.js').Undo}. */
export function isUndoable(step: Step): boolean {
  if (step.kind === 'code') return step.down !== null
  return step.kind !== 'inPlace' && step.kind !== 'client'
}

/** Whether only a backup brings back what was there before the step. */
export function needsBackup(step: Step): boolean {
  return step.kind === 'inPlace' || step.kind === 'code' || step.kind === 'client'
}

/** Whether a plan cannot say what the step will do. */
export function isOpaque(step: Step): boolean {
  return step.kind === 'code' || step.kind === 'client'
}

/** For people: `docs copyAndSwap`. */
export function stepTitle(step: Step): string {
  switch (step.kind) {
    case 'rename':
      return `${step.collection} rename → ${step.to}`
    case 'copyTo':
      return `${step.collection} copyTo → ${step.to}`
    case 'split':
      return `${step.collection} split → ${step.names.join(', ')}`
    case 'merge':
      return `${[step.collection, ...step.others].join(' + ')} merge → ${step.into}`
    case 'code':
      return `step ${JSON.stringify(step.name)}`
    case 'client':
      return `client ${JSON.stringify(step.name)}`
    case 'create':
    case 'drop':
    case 'setMetadata':
    case 'setConfiguration':
    case 'copyAndSwap':
    case 'inPlace':
      return `${step.collection} ${step.kind}`
  }
}

/**
 * Differs when the operation, its arguments or the source of its functions differ; 64 hexadecimal digits.
 * What a function closes over does not count: the checksum of the file does.
 */
export function stepHash(step: Step): string {
  return hash('sha256', canonicalText(argumentsOf(step)), 'hex')
}

function argumentsOf(step: Step): unknown {
  if ('map' in step) return { ...step, map: step.map.hash }
  return step
}
