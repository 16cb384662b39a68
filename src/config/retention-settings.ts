import { list, value, valueOr } from './setting.js'
import { durationOf, wholeNumber } from './values.js'

const MOST = 1_000_000

/** How many backups of a series stay; the flags of `backup prune` come first. */
export const retentionSettings = {
  keepLast: keep('keep_last', 'backups that stay: the newest ones'),
  keepHourly: keep('keep_hourly', 'backups that stay: the newest of each of so many hours'),
  keepDaily: keep('keep_daily', 'backups that stay: the newest of each of so many days'),
  keepWeekly: keep('keep_weekly', 'backups that stay: the newest of each of so many weeks'),
  keepMonthly: keep('keep_monthly', 'backups that stay: the newest of each of so many months'),
  keepYearly: keep('keep_yearly', 'backups that stay: the newest of each of so many years'),
  keepWithin: value(durationOf, {
    key: 'retention.keep_within',
    description: 'backups that stay: those made so long before the newest one',
  }),
  keepTag: list({ key: 'retention.keep_tag', description: 'backups that stay: those with this tag' }),
  grace: valueOr('7d', durationOf, {
    key: 'retention.grace',
    description: 'how long a removed backup can be put back (default: 7d)',
  }),
}

function keep(name: string, description: string) {
  return value(wholeNumber(0, MOST), { key: `retention.${name}`, description })
}
