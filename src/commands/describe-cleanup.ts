import type { CleanupNotice, CleanupPlan, CleanupResult, CleanupStep } from '../cleanup/report.js'
import { bytes, duration, grouped, plural, shortBytes } from '../output/format.js'
import type { Style } from '../output/style.js'
import { table } from '../output/table.js'

export function describeCleanupPlan(plan: CleanupPlan, style: Style): string {
  const { directory, steps, notices, holder, quarantine, freesBytes, quarantineBytes, freeBytes } = plan
  if (steps.length === 0)
    return [
      `${directory}: nothing to clean (${plan.targets.join(', ')})`,
      ...noticeLines(notices, style),
    ].join('\n')
  const needStop = steps.filter(({ needsServerStopped }) => needsServerStopped).map(({ id }) => id)
  return [
    style.bold(directory),
    ...steps.flatMap((step) => ['', ...stepLines(step, style)]),
    '',
    `gives back ${bytes(freesBytes)} at once${quarantine === null ? '; nothing can be undone' : `, ${bytes(quarantineBytes)} more when the quarantine is emptied`}; ${shortBytes(freeBytes)} are free now`,
    `in use by: ${holder}`,
    ...(needStop.length === 0 ? [] : [`needs a stopped server: ${needStop.join(', ')}`]),
    ...noticeLines(notices, style),
    '',
    'Nothing has been changed: add --apply to do it.',
  ].join('\n')
}

/** With the command that takes it back. */
export function describeCleanup(result: CleanupResult, style: Style, undo: string | null): string {
  const { directory, removed, freedBytes, quarantinedBytes, errors, notices, durationMs } = result
  const done = removed.filter(({ count }) => count > 0)
  const rows = done.map(({ target, id, count, bytes: size }) => [
    target,
    id,
    grouped(count),
    shortBytes(size),
  ])
  return [
    done.length === 0 ? `${directory}: nothing was removed` : style.bold(directory),
    ...(done.length === 0 ? [] : [table(['target', 'what', 'count', 'size'], rows, ['count', 'size'])]),
    ...errors.map(({ step, message }) => `${style.bad('failed')}: ${step}: ${message}`),
    ...noticeLines(notices, style),
    `${bytes(freedBytes)} given back, ${bytes(quarantinedBytes)} in quarantine (${duration(durationMs)})`,
    ...(undo === null ? [] : [`to take it back: ${undo}`]),
    ...(errors.length === 0 ? [] : [`${plural(errors.length, 'step')} could not be done`]),
  ].join('\n')
}

function stepLines(step: CleanupStep, style: Style): string[] {
  const { target, what, why, evidence, bytes: size, needsBytes, needsTempBytes, fits } = step
  const needs = [
    needsBytes > 0 ? `${shortBytes(needsBytes)} here` : '',
    needsTempBytes > 0 ? `${shortBytes(needsTempBytes)} where SQLite keeps temporary files` : '',
  ].filter((text) => text !== '')
  return [
    `${style.bold(target)}: ${what}, ${shortBytes(size)}`,
    `  ${why}`,
    ...(evidence.length === 0 ? [] : [style.dim(`  ${evidence.join(', ')}`)]),
    ...(needs.length === 0 ? [] : [`  needs ${needs.join(' and ')} while it runs`]),
    ...(fits ? [] : [style.warning(`  there is not enough space for it${adviceFor(step)}`)]),
  ]
}

function adviceFor({ target }: CleanupStep): string {
  return target === 'vacuum'
    ? ': write through another file system with --via'
    : ': use a quarantine on another file system with --quarantine-dir'
}

function noticeLines(notices: readonly CleanupNotice[], style: Style): string[] {
  return notices.map(({ message }) => `${style.warning('note')}: ${message}`)
}
