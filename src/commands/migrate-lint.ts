import { Command, Option } from 'commander'

import { UsageError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import type { LintFinding, RuleCode } from '../migrations/lint/finding.js'
import type { LintReport } from '../migrations/lint/lint-migrations.js'
import { plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import { act } from './command.js'
import type { Launcher } from './context.js'
import { DIR_FLAG, migrationsFolder } from './migrations-folder.js'

interface Flags {
  readonly dir?: string
  readonly base?: string
  readonly format: 'text' | 'json' | 'github'
}

export function migrateLintCommand(launcher: Launcher): Command {
  const command = new Command('lint')
    .description(
      'look for what is risky in the migration files: data lost, no way back, different in each run',
    )
    .option(
      '--base <ref>',
      'only what differs from a git ref such as origin/main, and whether it fits behind it',
    )
    .addOption(
      new Option('--format <format>', 'github: annotations of a pull request; json is the same as --json')
        .choices(['text', 'json', 'github'])
        .default('text'),
    )
    .option(...DIR_FLAG)
  return act(command, launcher, async (context) => {
    const { dir, base, format } = command.opts<Flags>()
    const { output, host, signal } = context
    if (output.json && format === 'github')
      throw new UsageError('--json and --format github exclude each other')
    const folder = migrationsFolder(context, dir)
    const { rules } = await import('../migrations/lint/finding.js')
    const { gitBase } = await import('./git-base.js')
    const { lintMigrations } = await import('../migrations/lint/lint-migrations.js')
    const compared = base === undefined ? null : await gitBase(folder, base, signal)
    const report = await lintMigrations({ dir: folder, root: host.cwd, base: compared, signal })
    if (report.findings.length > 0) context.finish(ExitCode.findings)
    const describe = (shown: LintReport, style: Style) =>
      format === 'github' ? annotations(shown, rules) : text(shown, style)
    output.result(report, describe)
  })
}

function text({ files, findings }: LintReport, style: Style): string {
  if (findings.length === 0) return `${plural(files, 'file')}, nothing found`
  const lines = findings.map(({ file, line, rule, severity, message }) => {
    const color = severity === 'error' ? style.bad : style.warning
    return `${color(severity.padEnd(7))}  ${file}:${line}  ${rule}  ${message}`
  })
  const how = 'accept one with a comment above it: // chroma-ops-lint-disable CM003 why'
  return [...lines, '', `${plural(findings.length, 'finding')}; ${how}`].join('\n')
}

/** The form of workflow commands: docs.github.com/actions, "Workflow commands for GitHub Actions". */
function annotations({ findings }: LintReport, titles: Readonly<Record<RuleCode, string>>): string {
  return findings
    .map(({ file, line, rule, severity, message }: LintFinding) => {
      const where = `file=${property(file)},line=${line},title=${property(`${rule}: ${titles[rule]}`)}`
      return `::${severity} ${where}::${data(message)}`
    })
    .join('\n')
}

function data(value: string): string {
  return value.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function property(value: string): string {
  return data(value).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
