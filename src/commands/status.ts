import { Command, Option } from 'commander'

import { durationOf } from '../config/values.js'
import type { HealthStatus } from '../health/report.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { parsed } from './parse.js'

interface Flags {
  readonly allProfiles?: boolean
  readonly maxBackupAge: number
  readonly maxVerifiedAge: number
  readonly maxDrillAge?: number
  readonly deadline: number
  readonly format: 'text' | 'json' | 'prometheus'
  readonly metricsFile?: string
}

/** Instances that are looked at at the same time. */
const CONCURRENCY = 8
const HOUR_MS = 3_600_000

export function statusCommand(launcher: Launcher): Command {
  const command = new Command('status')
    .description('one line for each instance: health, last backup, verification and drill, what runs now')
    .option('--all-profiles', 'every profile of the configuration file')
    .addOption(
      age('--max-backup-age <duration>', 'an older last backup is degraded, 0: never').default(
        26 * HOUR_MS,
        '26h',
      ),
    )
    .addOption(
      age('--max-verified-age <duration>', 'the same for the last verification').default(
        8 * 24 * HOUR_MS,
        '8d',
      ),
    )
    .addOption(age('--max-drill-age <duration>', 'the same for the last drill (default: it does not matter)'))
    .addOption(age('--deadline <duration>', 'for each instance').default(10_000, '10s'))
    .addOption(
      new Option('--format <format>', 'json is the same as --json')
        .choices(['text', 'json', 'prometheus'])
        .default('text'),
    )
    .option(
      '--metrics-file <file>',
      'write the metrics of --format prometheus there too, for a textfile collector',
    )
  return act(command, launcher, async (context) => {
    await status(context, command.opts<Flags>())
  })
}

function age(flags: string, description: string): Option {
  return parsed(flags, description, durationOf)
}

async function status(context: CommandContext, flags: Flags): Promise<void> {
  const [{ openInstances }, { instanceStatus, shownStatus }, { statusMetrics }, { describeStatus }, pLimit] =
    await Promise.all([
      import('./profile-contexts.js'),
      import('./instance-status.js'),
      import('./status-metrics.js'),
      import('./describe-status.js'),
      import('p-limit'),
    ])
  const now = context.host.now()
  const limit = (ms: number | undefined) => (ms === undefined || ms === 0 ? null : ms)
  const job = {
    limits: {
      backup: limit(flags.maxBackupAge),
      verified: limit(flags.maxVerifiedAge),
      drill: limit(flags.maxDrillAge),
    },
    deadlineMs: flags.deadline,
    now,
  }
  const opened = await openInstances(context, flags.allProfiles === true)
  const instances = await pLimit.default(CONCURRENCY).map(opened, async (instance) => {
    context.onClose(instance.close)
    return instanceStatus(instance, job, context.signal)
  })
  const { healthExitCode } = await import('../health/report.js')
  const worst = worstOf(instances.map((instance) => instance.status))
  context.finish(healthExitCode({ status: worst }))
  if (flags.metricsFile !== undefined) {
    const { writeMetricsFile } = await import('../schedule/metrics-file.js')
    await writeMetricsFile(flags.metricsFile, statusMetrics(instances, now))
  }
  context.output.result({ status: worst, instances: instances.map(shownStatus) }, (_, style) =>
    flags.format === 'prometheus'
      ? statusMetrics(instances, now).trimEnd()
      : describeStatus(instances, now, style),
  )
}

function worstOf(all: readonly HealthStatus[]): HealthStatus {
  if (all.includes('critical')) return 'critical'
  return all.includes('degraded') ? 'degraded' : 'ok'
}
