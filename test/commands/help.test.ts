import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

import type { Command } from 'commander'
import { describe, expect, test } from '@jest/globals'

import { createProgram } from '../../src/commands/program.js'
import { allSettings } from '../../src/config/catalogue.js'
import { builtCli } from '../helpers/built-cli.js'
import { documentOf, runCli } from '../helpers/run-cli.js'

const run = promisify(execFile)
const docs = await readFile(new URL('../../docs/scripting.md', import.meta.url), 'utf8')
const program = createProgram({ run: async () => {} }, '0.0.0', { help: () => {}, error: () => {} })

describe('docs/scripting.md', () => {
  test.each(leaves(program).map((command) => [pathOf(command), command] as const))(
    'lists the flags of %s, and no others',
    (name, command) => {
      const section = docs.split(`\n### ${name}\n`)[1]?.split('\n### ')[0]
      expect(section).toBeDefined()
      const documented = [...(section ?? '').matchAll(/^\| `(--[a-z-]+)/gm)].map(([, flag]) => flag)
      expect(documented.sort()).toEqual(command.options.map(({ long }) => long).sort())
    },
  )

  test('has no section for a command that is not there', () => {
    const commands = docs.slice(docs.indexOf('\n## Commands'), docs.indexOf('\n## The audit log'))
    const sections = [...commands.matchAll(/^### (.+)$/gm)].map(([, name]) => name)
    expect(sections.sort()).toEqual(leaves(program).map(pathOf).sort())
  })

  test.each(allSettings)('lists how %s can be set', (_, { flags, environment, key }) => {
    const names = [flags, ...environment, key].filter((name) => name !== null)
    const row = docs.split('\n').find((line) => names.every((name) => line.includes(`\`${name}\``)))
    expect(row).toBeDefined()
  })

  test('names every shared flag', () => {
    const missing = program.options.filter(({ long }) => !docs.includes(`\`${long ?? ''}`))
    expect(missing.map(({ long }) => long)).toEqual([])
  })
})

test('backup shows the flags of backup create', async () => {
  const { stdout } = await runCli(['backup', '--help'])
  expect(stdout).toContain('--allow-shrink')
  expect(stdout).toContain('verify')
})

test('--help and --version are results too', async () => {
  expect(documentOf(await runCli(['--version', '--json'], { version: '9.9.9' }))).toEqual({
    version: '9.9.9',
  })
  expect(documentOf(await runCli(['backup', '--help', '--json']))).toEqual({
    help: expect.stringContaining('Usage: chroma-ops backup'),
  })
})

test('--help loads no SDK and nothing else that takes time', async () => {
  const modules = await modulesLoadedBy('--help')
  expect(modules.some((module) => module.includes('commander'))).toBe(true)
  const heavy = /@aws-sdk|@smithy|chromadb|undici|pino|valibot|yaml|cli-progress|cli-table3|chalk/
  expect(modules.filter((module) => heavy.test(module))).toEqual([])
  expect(modules.filter((module) => /dist\/(backup|chroma|health|storage|transfer)\//.test(module))).toEqual(
    [],
  )
})

/** File URLs of every module that Node loads, told by a loader hook. */
async function modulesLoadedBy(...args: readonly string[]): Promise<string[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-modules-'))
  try {
    const log = path.join(folder, 'log')
    const hooks = path.join(folder, 'hooks.mjs')
    await writeFile(
      hooks,
      `import { appendFileSync } from 'node:fs'
       export async function load(url, context, next) {
         appendFileSync(${JSON.stringify(log)}, url + '\\n')
         return next(url, context)
       }`,
    )
    const register = `import { register } from 'node:module'; register(${JSON.stringify(pathToFileURL(hooks).href)})`
    await run(process.execPath, [
      `--import=data:text/javascript,${encodeURIComponent(register)}`,
      await builtCli(),
      ...args,
    ])
    return (await readFile(log, 'utf8')).trim().split('\n')
  } finally {
    await rm(folder, { recursive: true })
  }
}

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves)
}

function pathOf(command: Command): string {
  const { parent } = command
  return parent?.parent == null ? command.name() : `${pathOf(parent)} ${command.name()}`
}
