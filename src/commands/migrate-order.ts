import { Option } from 'commander'

import { UsageError } from '../core/errors.js'

/** Of `up` and `plan`. */
export function execOrderOption(): Option {
  return new Option(
    '--exec-order <order>',
    'non-linear: also a migration older than the newest applied one, when they share no collection',
  )
    .choices(['linear', 'non-linear'])
    .default('linear')
}

/** Which migrations are meant is said in one way. */
export function refuseBoth(count: number | null, to: string | undefined): void {
  if (count !== null && to !== undefined) throw new UsageError('give a number or --to, not both')
}
