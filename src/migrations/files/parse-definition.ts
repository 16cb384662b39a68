import { suggestion } from '../../core/suggest.js'
import type { MigrationDefinition } from '../definition.js'
import type { FileProblem } from './file-problem.js'

/** A definition, or what is wrong with it. */
export type ParsedDefinition =
  | { readonly definition: MigrationDefinition; readonly faults: readonly [] }
  | { readonly definition: null; readonly faults: readonly Fault[] }

export type Fault = Pick<FileProblem, 'message' | 'hint'>

const KEYS = ['description', 'dependsOn', 'env', 'backup', 'startup', 'irreversible', 'check', 'up', 'down']

/**
 * The definition in what a file exports: `export default defineMigration({ … })`, or `export const up`, and so
 * on. `name` stands in for a missing description.
 */
export function parseDefinition(exported: unknown, name: string): ParsedDefinition {
  const { found, misplaced } = definitionIn(exported)
  if (found === null) return { definition: null, faults: [misplaced] }
  const faults = faultsOf(found)
  if (faults.length > 0) return { definition: null, faults }
  const { up } = found
  if (!isDefinitionFunction(up)) return { definition: null, faults: [noUp] }
  return { definition: built(found, up, name), faults: [] }
}

type Members = Readonly<Record<string, unknown>>

const noUp = fault('`up` is missing', 'export default defineMigration({ description, async up(m) { … } })')

type Found =
  { readonly found: Members; readonly misplaced: null } | { readonly found: null; readonly misplaced: Fault }

function definitionIn(exported: unknown): Found {
  const members = membersOf(exported)
  if (members === null || Object.keys(members).length === 0) {
    return { found: null, misplaced: fault('exports nothing', noUp.hint) }
  }
  if (!('default' in members)) return { found: members, misplaced: null }
  const inner = membersOf(members['default'])
  if (inner === null) {
    const message = `the default export is ${kindOf(members['default'])}, not a definition`
    return { found: null, misplaced: fault(message, noUp.hint) }
  }
  const beside = KEYS.filter((key) => key in members && !(key in inner))
  if (beside.length === 0) return { found: inner, misplaced: null }
  const message = `exports ${beside.join(', ')} beside the definition`
  return { found: null, misplaced: fault(message, 'put it into the definition') }
}

/** Own members, as a plain object: what a loader gives is a proxy that knows more names than it has. */
function membersOf(value: unknown): Members | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  return Object.fromEntries(
    Object.keys(value)
      .filter((key) => key !== '__esModule')
      .map((key): [string, unknown] => [key, Reflect.get(value, key)]),
  )
}

function faultsOf(members: Members): Fault[] {
  const unknown = Object.keys(members).filter((key) => !KEYS.includes(key))
  const faults = unknown.map((key) => fault(`\`${key}\` is not a part of a migration`, suggestion(key, KEYS)))
  if (members['up'] === undefined && !unknown.some((key) => key.toLowerCase() === 'up')) faults.push(noUp)
  for (const [key, isRight, wanted] of RULES) {
    const value = members[key]
    if (value === undefined || isRight(value)) continue
    faults.push(fault(`\`${key}\` must be ${wanted}, and is ${kindOf(value)}`, null))
  }
  return faults
}

const RULES: readonly (readonly [string, (value: unknown) => boolean, string])[] = [
  ['description', isText, 'a text'],
  ['dependsOn', isVersions, "a list of versions such as ['00003']"],
  ['env', isTexts, "a list of names such as ['production']"],
  ['backup', isBackup, "'auto', 'always' or 'never'"],
  ['startup', isStartup, "'allowed' or 'never'"],
  ['irreversible', isText, 'a text that says why'],
  ...['check', 'up', 'down'].map((key) => [key, isDefinitionFunction, 'a function'] as const),
]

/** Members have been checked one by one; what is absent stays absent. */
function built(members: Members, up: MigrationDefinition['up'], name: string): MigrationDefinition {
  const { description, dependsOn, env, backup, startup, irreversible, check, down } = members
  return {
    description: isText(description) ? description : name.replaceAll(/[_-]+/g, ' '),
    ...(isVersions(dependsOn) ? { dependsOn } : {}),
    ...(isTexts(env) ? { env } : {}),
    ...(isBackup(backup) ? { backup } : {}),
    ...(isStartup(startup) ? { startup } : {}),
    ...(isText(irreversible) ? { irreversible } : {}),
    ...(isDefinitionFunction(check) ? { check } : {}),
    up,
    ...(isDefinitionFunction(down) ? { down } : {}),
  }
}

/** What a function takes and gives cannot be looked up; the runner checks what comes back. */
function isDefinitionFunction(value: unknown): value is () => Promise<void> | void {
  return typeof value === 'function'
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== ''
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every(isText)
}

function isVersions(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' && /^\d{5}$/.test(item))
}

function isBackup(value: unknown): value is 'auto' | 'always' | 'never' {
  return value === 'auto' || value === 'always' || value === 'never'
}

function isStartup(value: unknown): value is 'allowed' | 'never' {
  return value === 'allowed' || value === 'never'
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'string') return value.trim() === '' ? 'empty' : JSON.stringify(value)
  if (Array.isArray(value)) return `the list ${JSON.stringify(value)}`
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

function fault(message: string, hint: string | null): Fault {
  return { message, hint }
}
