import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { documentOf, runCli } from '../helpers/run-cli.js'
import { outputOf, runNow } from '../helpers/run-now.js'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-completion-'))
  for (const shell of ['bash', 'zsh', 'fish']) {
    await writeFile(path.join(folder, shell), (await runCli(['completion', shell])).stdout)
  }
  await writeFile(path.join(folder, 'prod.yaml'), '')
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

const there = (shell: string) => runNow(shell, ['-c', 'true']).status === 0
const within = (shell: string) => (there(shell) ? describe : describe.skip)

within('bash')('in bash', () => {
  /** What is offered for the last word of a command line. */
  function offers(...words: readonly string[]): string[] {
    const script = `source "$0"; cd "$(dirname "$0")"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _chroma_ops; printf '%s\\n' "\${COMPREPLY[@]}"`
    const text = outputOf('bash', ['-c', script, path.join(folder, 'bash'), 'chroma-ops', ...words])
    return text.split('\n').filter((word) => word !== '')
  }

  test('commands', () => {
    expect(offers('back')).toEqual(['backup'])
    expect(offers('')).toEqual(expect.arrayContaining(['health', 'backup', 'restore', 'repo', '--url']))
  })

  test('subcommands, and the flags that hold there', () => {
    expect(offers('backup', 'l')).toEqual(['list'])
    expect(offers('backup', 'verify', '--s')).toEqual(
      expect.arrayContaining(['--sample', '--series', '--state-dir']),
    )
    expect(offers('backup', '--allow-s')).toEqual(['--allow-shrink'])
    expect(offers('backup', 'list', '--allow-s')).toEqual([])
    expect(offers('copy', '--to-t')).toEqual([
      '--to-tenant',
      '--to-token-file',
      '--to-token-command',
      '--to-token-header',
      '--to-tls-server-name',
    ])
  })

  test('a command behind shared flags is still found', () => {
    expect(offers('--json', 'repo', 'i')).toEqual(['init'])
  })

  test('values: choices, files, folders, and nothing where anything goes', () => {
    expect(offers('health', '--level', '')).toEqual(['live', 'ready', 'deep'])
    expect(offers('--config', 'pr')).toEqual(['prod.yaml'])
    expect(offers('--url', 'b')).toEqual([])
    expect(offers('completion', 'z')).toEqual(['zsh'])
    expect(offers('copy', '--limits', '')).toEqual(['local', 'cloud'])
  })
})

within('zsh')('in zsh', () => {
  test('the script is valid', () => {
    outputOf('zsh', ['-n', path.join(folder, 'zsh')])
  })
})

within('fish')('in fish', () => {
  test('offers subcommands', () => {
    const script = `source ${path.join(folder, 'fish')}; complete -C 'chroma-ops backup l'`
    expect(outputOf('fish', ['-c', script])).toContain('list')
  })
})

test('with --json the script is a field', async () => {
  expect(documentOf(await runCli(['completion', 'fish', '--json']))).toEqual({
    shell: 'fish',
    script: expect.stringContaining('complete -c chroma-ops'),
  })
})

test('zsh and fish know every command', async () => {
  for (const shell of ['zsh', 'fish']) {
    const { stdout } = await runCli(['completion', shell])
    for (const word of ['health', 'backup', 'drill', 'restore', 'check', 'explain'])
      expect(stdout).toContain(word)
  }
})
