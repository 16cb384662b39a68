import { Option, type Command } from 'commander'

import type { ServerScope } from '../chroma/server-source.js'
import { catalogue } from '../config/catalogue.js'
import { isCloud } from '../config/cloud.js'
import { loadConfigFile } from '../config/config-file.js'
import { ambiguousSettings, sideFlags, sideSettings, type ServerSide } from '../config/server-side.js'
import { sourceText, type Setting } from '../config/setting.js'
import { GuardError, UsageError } from '../core/errors.js'
import type { CommandContext } from './context.js'
import { createContext } from './create-context.js'
import { collect } from './shared-flags.js'

/** The two servers of a copy, each with settings of its own. */
export interface CopyEnds {
  readonly from: CommandContext
  readonly to: CommandContext
  readonly scope: ServerScope
  /** Undefined: where each came from. */
  readonly targetTenant: string | undefined
  readonly targetDatabase: string | undefined
}

const SIDES = ['from', 'to'] as const

/** `--from-url`, `--to-url` … */
export function addEndFlags(command: Command): Command {
  for (const side of SIDES) {
    const title = side === 'from' ? 'Source:' : 'Target:'
    command.addOption(
      new Option(`--${side}-profile <name>`, 'a profile of the configuration file').helpGroup(title),
    )
    for (const setting of sideSettings) {
      if (setting.flags === null) continue
      const flags = sideFlags(side, setting.flags)
      const option = new Option(flags, descriptionOf(side, setting)).helpGroup(title)
      const isList = setting.kind === 'list' || setting.kind === 'map'
      command.addOption(isList ? option.argParser(collect) : option)
    }
  }
  return command
}

function descriptionOf(side: ServerSide, setting: Setting<unknown>): string {
  if (setting === catalogue.url) return side === 'from' ? 'the server to copy from' : 'the server to copy to'
  if (setting === catalogue.keyFile) return `the key of --${side}-cert-file (PEM)`
  const description = setting.description.replaceAll('--cloud', `--${side}-cloud`)
  if (side === 'from') return description
  if (setting === catalogue.tenant) return 'the tenant to copy into (default: where each came from)'
  if (setting === catalogue.database) return 'the database to copy into (default: where each came from)'
  return description
}

/** Throws a {@link UsageError} when a server is not named, or something that is meant for one server is given. */
export async function copyEnds(context: CommandContext, command: Command): Promise<CopyEnds> {
  for (const setting of ambiguousSettings) {
    const source = context.settings.source(setting)
    if (source.from === 'flag')
      throw new UsageError(`${source.name} is for one server, and a copy has two`, {
        hint: `give ${sideFlags('from', source.name)} or ${sideFlags('to', source.name)}`,
      })
  }
  const from = await endOf(context, command, 'from')
  const to = await endOf(context, command, 'to')
  const fromTenants = tenantsOf(from)
  const databases = from.settings.value(catalogue.database)
  return {
    from,
    to,
    scope: {
      tenants: requireTenant(from, 'from', fromTenants) ?? ['default_tenant'],
      databases: databases.length === 0 ? undefined : databases,
    },
    targetTenant: requireTenant(to, 'to', only('--to-tenant', tenantsOf(to)))?.[0],
    targetDatabase: only('--to-database', databasesOf(to))[0],
  }
}

/** A profile that happens to be active must not decide what is written to. */
export function refuseUnnamedTarget({ to }: CopyEnds): void {
  const source = to.settings.source(isCloud(to.settings) ? catalogue.cloud : catalogue.url)
  if (source.from !== 'environment') return
  throw new GuardError(
    'DESTINATION_NOT_NAMED',
    `the target of a copy is named on the command line, not by ${sourceText(source)}`,
    { hint: 'give --to-url, --to-cloud or --to-profile' },
  )
}

async function endOf(context: CommandContext, command: Command, side: ServerSide): Promise<CommandContext> {
  const { settings, host } = context
  const flags = flagTextsOf(command, side)
  const [name] = flags.get(`--${side}-profile`) ?? []
  const { cwd, uid } = host
  const path = settings.file?.path ?? null
  const profile = name === undefined ? null : await loadConfigFile({ path, profile: name, cwd, uid })
  const own = settings.forSide(side, { flags, profile })
  if (!isCloud(own) && own.value(catalogue.url) === null)
    throw new UsageError(`no server is named to copy ${side}`, {
      hint: `name one with --${side}-url http://127.0.0.1:8000, --${side}-cloud or --${side}-profile`,
    })
  return createContext({ ...context, settings: own })
}

function flagTextsOf(command: Command, side: ServerSide): ReadonlyMap<string, readonly string[]> {
  const texts = new Map<string, readonly string[]>()
  for (const option of command.options) {
    const given: unknown = command.getOptionValue(option.attributeName())
    const { long } = option
    if (long === undefined || !long.startsWith(`--${side}-`) || given === undefined) continue
    if (Array.isArray(given)) texts.set(long, given.map(String))
    else texts.set(long, [typeof given === 'string' ? given : 'true'])
  }
  return texts
}

/** Programs of Chroma Cloud have their tenant and database in Chroma's own variables. */
function tenantsOf({ settings, host }: CommandContext): readonly string[] {
  const named = settings.value(catalogue.tenant)
  return named.length > 0 || !isCloud(settings) ? named : variable(host.environment['CHROMA_TENANT'])
}

function databasesOf({ settings, host }: CommandContext): readonly string[] {
  const named = settings.value(catalogue.database)
  return named.length > 0 || !isCloud(settings) ? named : variable(host.environment['CHROMA_DATABASE'])
}

function variable(text: string | undefined): readonly string[] {
  return text === undefined || text === '' ? [] : [text]
}

/** Undefined: none is named, and none is needed. */
function requireTenant(
  { settings }: CommandContext,
  side: ServerSide,
  tenants: readonly string[],
): readonly string[] | undefined {
  if (tenants.length > 0) return tenants
  if (!isCloud(settings)) return undefined
  throw new UsageError(`--${side}-cloud needs to know the tenant`, {
    hint: `name it with --${side}-tenant or CHROMA_TENANT`,
  })
}

function only(flag: string, names: readonly string[]): readonly string[] {
  if (names.length > 1) throw new UsageError(`${flag} takes one name, not ${names.length}`)
  return names
}
