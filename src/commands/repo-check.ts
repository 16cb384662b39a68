import { Command } from 'commander'

import { catalogue } from '../config/catalogue.js'
import { ExitCode } from '../core/exit-code.js'
import type { Style } from '../output/style.js'
import type { StoreProbeReport } from '../storage/probe-store.js'
import { act } from './command.js'
import type { Launcher } from './context.js'

export function repoCheckCommand(launcher: Launcher): Command {
  const command = new Command('check').description(
    'try out what the store of a repository promises, on keys under probe/',
  )
  return act(command, launcher, async (context) => {
    context.changes('repo check, which writes and deletes keys under probe/,')
    const store = await context.openRepositoryStore()
    const { requireFolder } = await import('../storage/open-store.js')
    await requireFolder(context.settings.value(catalogue.repo) ?? '')
    const [{ probeStore }, { table }] = await Promise.all([
      import('../storage/probe-store.js'),
      import('../output/table.js'),
    ])
    const report = await probeStore(store, { signal: context.signal })
    context.finish(exitCodeOf(report))
    context.output.result(report, (result, style) => {
      const rows = result.promises.map(({ promise, outcome, required, detail }) => [
        promise,
        outcomeText(outcome, required, style),
        detail,
      ])
      return [result.store, table(['promise', 'outcome', 'detail'], rows), ...remarks(result)].join('\n')
    })
  })
}

/** A store that breaks what every backup needs is of no use; the rest is good to know. */
function exitCodeOf({ promises }: StoreProbeReport): ExitCode {
  const broken = promises.filter(({ outcome }) => outcome !== 'kept')
  if (broken.some(({ required }) => required)) return ExitCode.notSupported
  return broken.some(({ outcome }) => outcome === 'broken') ? ExitCode.findings : ExitCode.ok
}

function outcomeText(outcome: string, required: boolean, style: Style): string {
  if (outcome === 'kept') return style.good(outcome)
  return required ? style.bad(`${outcome} (required)`) : style.warning(outcome)
}

function remarks({ clockSkewMs, leftBehind }: StoreProbeReport): string[] {
  const skew = clockSkewMs === null ? 'the store does not tell its time' : `clock skew ${clockSkewMs} ms`
  return leftBehind.length === 0 ? [skew] : [skew, `could not be removed again: ${leftBehind.join(', ')}`]
}
