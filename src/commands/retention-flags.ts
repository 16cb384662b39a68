import type { Command } from 'commander'

import type { RetentionPolicy } from '../backup/retention-policy.js'
import { catalogue } from '../config/catalogue.js'
import type { Settings } from '../config/settings.js'
import { durationOf, wholeNumber } from '../config/values.js'
import { parsed, repeated } from './parse.js'

export interface RetentionFlags {
  readonly keepLast?: number
  readonly keepHourly?: number
  readonly keepDaily?: number
  readonly keepWeekly?: number
  readonly keepMonthly?: number
  readonly keepYearly?: number
  readonly keepWithin?: number
  readonly keepTag?: readonly string[]
  readonly grace?: number
}

const PERIODS = ['hour', 'day', 'week', 'month', 'year'] as const
const MOST = 1_000_000

export function addRetentionFlags(command: Command): Command {
  command.addOption(parsed('--keep-last <n>', 'the newest n stay', wholeNumber(0, MOST)))
  for (const period of PERIODS) {
    const flag = period === 'day' ? '--keep-daily' : `--keep-${period}ly`
    const text = `the newest of each of the n newest ${period}s (UTC) that have one stay`
    command.addOption(parsed(`${flag} <n>`, text, wholeNumber(0, MOST)))
  }
  return command
    .addOption(
      parsed('--keep-within <duration>', 'those made so long before the newest one stay: 30d', durationOf),
    )
    .addOption(repeated('--keep-tag <tag>', 'those with this tag stay: key or key=value'))
    .addOption(
      parsed('--grace <duration>', 'how long a removed backup can be put back (default: 7d)', durationOf),
    )
}

/** Each rule from its flag, else from the settings. */
export function retentionOf(
  flags: RetentionFlags,
  settings: Settings,
): { readonly policy: RetentionPolicy; readonly graceMs: number } {
  const { keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, keepWithin, keepTag, grace } =
    catalogue
  return {
    policy: {
      last: flags.keepLast ?? settings.value(keepLast) ?? 0,
      hourly: flags.keepHourly ?? settings.value(keepHourly) ?? 0,
      daily: flags.keepDaily ?? settings.value(keepDaily) ?? 0,
      weekly: flags.keepWeekly ?? settings.value(keepWeekly) ?? 0,
      monthly: flags.keepMonthly ?? settings.value(keepMonthly) ?? 0,
      yearly: flags.keepYearly ?? settings.value(keepYearly) ?? 0,
      withinMs: flags.keepWithin ?? settings.value(keepWithin) ?? 0,
      tags: flags.keepTag ?? settings.value(keepTag),
    },
    graceMs: flags.grace ?? settings.value(grace),
  }
}
