import type { MigrationResult, RunResult, StepResult } from '../migrations/run/result.js'
import { duration, grouped, plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import { placeText } from './describe-migration-plan.js'

/** A run as it is told: what was done, where, and what is next. */
export interface ToldRun extends Omit<RunResult, 'error'> {
  readonly dryRun: boolean
  readonly displayUrl: string
  readonly tenant: string
  readonly database: string
}

/** `stopped`: by a signal; what stands as failed was only left. */
export function describeRun(
  run: ToldRun,
  style: Style,
  { stopped }: { readonly stopped: boolean } = { stopped: false },
): string {
  const { action, dryRun, migrations, from, to } = run
  const warnings = run.warnings.map(({ message }) => `${style.warning('warning:')} ${message}`)
  const at = `${placeText(run)} is at ${to ?? 'no version'}`
  if (migrations.length === 0) return [`${at}; nothing is to be done`, ...warnings].join('\n')
  const width = Math.max(...migrations.map(({ version, name }) => version.length + name.length + 1))
  const moved = from === to ? `at ${to ?? 'no version'}` : `${from ?? 'nothing'} → ${to ?? 'nothing'}`
  return [
    dryRun
      ? `nothing has been changed; ${action} of ${placeText(run)} would`
      : `${action} of ${placeText(run)}: ${moved}`,
    ...migrations.flatMap((migration) =>
      migrationLines(action === 'abort' ? { ...migration, resumed: false } : migration, {
        width,
        style,
        failed: style.bad(stopped ? 'stopped' : 'failed'),
      }),
    ),
    ...warnings,
  ].join('\n')
}

interface Look {
  readonly width: number
  readonly style: Style
  /** The word for what did not come to its end. */
  readonly failed: string
}

function migrationLines(migration: MigrationResult, { width, style, failed }: Look): string[] {
  const { version, name, direction, resumed, ms, steps, backup, status } = migration
  const facts = [
    outcome(migration, style, failed),
    ...(resumed && status !== 'notExecuted'
      ? [`${status === 'planned' ? 'goes' : 'went'} on from an earlier run`]
      : []),
    ...(status === 'success' || status === 'error' ? [duration(ms)] : []),
    ...(backup === null ? [] : [`backup ${backup.id}`]),
  ]
  const arrow = direction === 'up' ? '↑' : '↓'
  return [
    ` ${arrow} ${style.bold(`${version} ${name}`.padEnd(width))}   ${facts.join(', ')}`,
    ...stepLines(steps, failed),
  ]
}

function outcome({ status, direction }: MigrationResult, style: Style, failed: string): string {
  switch (status) {
    case 'success':
      return style.good(direction === 'up' ? 'applied' : 'taken back')
    case 'error':
      return failed
    case 'notExecuted':
      return style.dim('not begun')
    case 'skipped':
      return style.dim('skipped: not for this environment')
    case 'planned':
      return direction === 'up' ? 'would be applied' : 'would be taken back'
  }
}

function stepLines(steps: readonly StepResult[], failed: string): string[] {
  const width = Math.max(0, ...steps.map(({ title }) => title.length))
  return steps.flatMap((step, index) => {
    const { title, state, records, embedded, gapMs, notes } = step
    const facts = [
      ...(state === 'earlier' ? ['by an earlier run'] : []),
      ...(state === 'failed' ? [failed] : []),
      ...(records === 0 ? [] : [plural(records, 'record')]),
      ...(embedded === 0 ? [] : [`${grouped(embedded)} ${embedded === 1 ? 'text' : 'texts'} embedded`]),
      ...(gapMs === null ? [] : [`the name was missing for ${duration(gapMs)}`]),
    ]
    const first = `${String(index + 1).padStart(5)} ${title.padEnd(width)}   ${facts.join(', ')}`
    return [first.trimEnd(), ...notes.map((note) => `       ${note}`)]
  })
}
