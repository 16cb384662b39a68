import { allSettings, catalogue } from '../config/catalogue.js'
import { sourceText, type Setting } from '../config/setting.js'
import { flagName, type Settings } from '../config/settings.js'
import { GuardError, UsageError } from '../core/errors.js'
import { checkPattern } from '../schedule/slots.js'
import type { ScheduledTask, TaskKind } from '../schedule/task.js'
import { runNested } from './nested-run.js'
import type { Instance } from './profile-contexts.js'

/**
 * What the settings of one profile say is to be done. Throws a UsageError when there is nothing to do it with, or a
 * schedule is wrong, and a GuardError (15) when somebody else could have written which programs are to be run.
 */
export function tasksOf({ name, context, target, series, profile }: Instance): readonly ScheduledTask[] {
  const { settings } = context
  if (target === null || series === null)
    throw new UsageError(`${name} names no server and no data directory`, { hint: 'give it a url or a path' })
  if (settings.value(catalogue.repo) === null)
    throw new UsageError(`${name} names no repository`, { hint: 'give it a repo' })
  const type = settings.value(catalogue.backupType)
  const args: Readonly<Record<TaskKind, (turn: number) => readonly string[]>> = {
    backup: () => [
      'backup',
      '--if-running',
      'wait',
      '--series',
      series,
      ...(type === null ? [] : ['--type', type]),
    ],
    verify: (turn) => ['backup', 'verify', 'latest', '--series', series, ...sampleOf(settings, turn)],
    drill: () => ['backup', 'drill', 'latest', '--series', series],
    prune: () => ['backup', 'prune', '--series', series, '--apply'],
  }
  const common = [...fileWords(settings, profile), ...flagWords(settings)]
  return PLANS.filter(({ isEnabled }) => isEnabled(settings)).map(({ kind, schedule }) => {
    const task: ScheduledTask = {
      profile: name,
      kind,
      words: args[kind](0),
      pattern: settings.value(schedule),
      timezone: settings.value(catalogue.scheduleTimezone),
      jitterMs: settings.value(catalogue.scheduleJitter),
      run: (signal, turn) => runNested(context.host, [...args[kind](turn), ...common], signal),
      onSuccess: hook(settings, catalogue.hookSuccess),
      onFailure: hook(settings, catalogue.hookFailure),
      hookTimeoutMs: settings.value(catalogue.hookTimeout),
    }
    checkPattern(task)
    return task
  })
}

interface Plan {
  readonly kind: TaskKind
  readonly isEnabled: (settings: Settings) => boolean
  readonly schedule: Setting<string>
}

export const PLANS: readonly Plan[] = [
  {
    kind: 'backup',
    isEnabled: (settings) => settings.value(catalogue.backupEnabled),
    schedule: catalogue.backupSchedule,
  },
  {
    kind: 'verify',
    isEnabled: (settings) => settings.value(catalogue.verifyEnabled),
    schedule: catalogue.verifySchedule,
  },
  {
    kind: 'drill',
    isEnabled: (settings) => settings.value(catalogue.drillEnabled),
    schedule: catalogue.drillSchedule,
  },
  {
    kind: 'prune',
    isEnabled: (settings) => settings.value(catalogue.pruneEnabled) ?? hasRetention(settings),
    schedule: catalogue.pruneSchedule,
  },
]

function hasRetention(settings: Settings): boolean {
  const { keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, keepWithin } = catalogue
  const rules = [keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, keepWithin]
  return rules.some((rule) => settings.value(rule) !== null) || settings.value(catalogue.keepTag).length > 0
}

/** All of it now and then, so that it counts as verified: with 15 % each seventh time, and the first time. */
function sampleOf(settings: Settings, turn: number): readonly string[] {
  const sample = settings.value(catalogue.verifySample)
  return turn % Math.ceil(1 / sample) === 0 ? [] : ['--sample', String(sample)]
}

/** The profile of the task, whatever the environment says. */
function fileWords({ file }: Settings, profile: string | null): readonly string[] {
  if (file === null) return []
  return ['--config', file.path, ...(profile === null ? [] : ['--profile', profile])]
}

/** The shared flags that the schedule itself was given hold for each of its tasks. */
function flagWords(settings: Settings): readonly string[] {
  return allSettings.flatMap(([, setting]) => {
    const source = settings.source(setting)
    if (source.from !== 'flag' || setting.flags === null) return []
    const flag = flagName(setting.flags)
    return setting.kind === 'switch'
      ? [flag]
      : (settings.texts(setting) ?? []).flatMap((text) => [flag, text])
  })
}

function hook(settings: Settings, setting: Setting<readonly string[]>): readonly string[] | null {
  const words = settings.value(setting)
  const [program] = words
  if (program === undefined) return null
  const source = settings.source(setting)
  if (source.from === 'file' && !source.trusted)
    throw new GuardError(
      'CONFIG_UNTRUSTED',
      `${source.path} must not set ${source.key}: another user can write it`,
      {
        hint: `own the file and take the right to write from others: chmod o-w ${source.path}`,
      },
    )
  if (words.length === 1 && /\s/.test(program))
    throw new UsageError(
      `${sourceText(source)}: no shell reads this; write the program and its arguments as a list`,
      {
        hint: `[${program.split(/\s+/).join(', ')}]`,
      },
    )
  return words
}

/** Figures of a task that ended well, for metrics, from the document of its command. */
export function figuresOf(
  { task, outcome: { document } }: { task: Pick<ScheduledTask, 'kind'>; outcome: { document: object } },
  now: Date,
): Readonly<Record<string, number>> {
  const at = (...path: readonly string[]): unknown =>
    path.reduce<unknown>(
      (value, name) =>
        typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(name) : undefined,
      document,
    )
  const figures: Record<string, number> = {}
  const put = (name: string, value: unknown, factor = 1) => {
    if (typeof value === 'number') figures[name] = value * factor
  }
  if (task.kind === 'backup') {
    const created = at('backup', 'created')
    if (typeof created === 'string') put('backup_last_success_timestamp_seconds', Date.parse(created) / 1000)
    put('backup_records', at('backup', 'counts', 'records'))
    put('backup_bytes_added', at('backup', 'sizes', 'added'))
    put('backup_duration_seconds', at('backup', 'durationMs'), 1 / 1000)
  }
  if (task.kind === 'verify') {
    const isWhole = at('reports', '0', 'sample') === 1
    if (isWhole) put('backup_last_verified_timestamp_seconds', now.getTime() / 1000)
  }
  if (task.kind === 'drill') {
    put('backup_last_verified_timestamp_seconds', now.getTime() / 1000)
    put('backup_last_drill_timestamp_seconds', now.getTime() / 1000)
    put('backup_recovery_seconds', at('recoveryMs'), 1 / 1000)
  }
  return figures
}
