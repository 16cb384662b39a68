import { Command } from 'commander'

import { UsageError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { suggestion } from '../core/suggest.js'
import type { StatusCondition } from '../migrations/run/status.js'
import { act } from './command.js'
import type { Launcher } from './context.js'
import { addMigrateFlags, type MigrateFlags } from './migrate-flags.js'
import { withMigrateHints } from './migrate-hints.js'
import { openMigrations } from './open-migrations.js'
import { parsed } from './parse.js'

interface Flags extends MigrateFlags {
  readonly exitCode?: boolean
  readonly failOn?: readonly StatusCondition[]
}

const CONDITIONS: readonly StatusCondition[] = ['pending', 'drift', 'dirty']

export function migrateStatusCommand(launcher: Launcher): Command {
  const command = new Command('status')
    .description('which migrations are applied, what is left to do, who migrates now; changes nothing')
    .option('--exit-code', 'end with 3 when anything is pending, drifted or unfinished')
    .addOption(parsed('--fail-on <list>', 'end with 3 for these only: pending,drift,dirty', conditions))
  return act(addMigrateFlags(command), launcher, async (context) => {
    const flags = command.opts<Flags>()
    await withMigrateHints(context, flags, async (hints) => {
      const job = await openMigrations(context, flags)
      const [{ conditionsOf, status }, { describeStatus }] = await Promise.all([
        import('../migrations/run/status.js'),
        import('./describe-migration-status.js'),
      ])
      const found = await status(job)
      const conditions = conditionsOf(found)
      const fatal = flags.failOn ?? (flags.exitCode === true ? CONDITIONS : [])
      if (fatal.some((condition) => conditions.has(condition))) context.finish(ExitCode.findings)
      const findings = found.findings.map(({ hint, ...finding }) => ({
        ...finding,
        hint: hint === null ? null : hints.text(hint),
      }))
      const advice = { up: hints.command('migrate up'), complete: hints.command('migrate complete --apply') }
      const result = { ...found, findings, conditions: CONDITIONS.filter((each) => conditions.has(each)) }
      context.output.result(result, (shown, style) => describeStatus(shown, style, advice))
    })
  })
}

function conditions(text: string): readonly StatusCondition[] {
  return text.split(',').map((word) => {
    const known = CONDITIONS.find((condition) => condition === word.trim())
    if (known !== undefined) return known
    throw new UsageError(`"${word}" is not a condition`, { hint: suggestion(word, CONDITIONS) })
  })
}
