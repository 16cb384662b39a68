import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { loadConfigFile } from '../../src/config/config-file.js'
import { resolveHeaders } from '../../src/config/credentials.js'
import { Settings } from '../../src/config/settings.js'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-credentials-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

interface Given {
  readonly flags?: Readonly<Record<string, readonly string[]>>
  readonly environment?: Readonly<Record<string, string>>
  readonly yaml?: string
  readonly mode?: number
}

async function headers({ flags = {}, environment = {}, yaml, mode = 0o600 }: Given) {
  const config = path.join(folder, 'chroma-ops.config.yaml')
  if (yaml !== undefined) {
    await writeFile(config, yaml)
    await chmod(config, mode)
  }
  const uid = process.getuid?.() ?? null
  const file = await loadConfigFile({ path: null, profile: null, cwd: folder, uid })
  const settings = new Settings({ flags: new Map(Object.entries(flags)), environment, file })
  return resolveHeaders({ settings, environment, signal: new AbortController().signal })
}

async function secretFile(text: string): Promise<string> {
  const file = path.join(folder, 'secret')
  await writeFile(file, text)
  return file
}

const url = { '--url': ['http://127.0.0.1:8000'] }

describe('the token', () => {
  test('comes from a file, a command or the environment, as a bearer', async () => {
    const flags = { ...url, '--token-file': [await secretFile('abc123\n')] }
    expect(await headers({ flags })).toEqual({ authorization: 'Bearer abc123' })
    expect(
      await headers({ flags: { ...url, '--token-command': ['printf %s "$T"'] }, environment: { T: 'x1' } }),
    ).toEqual({ authorization: 'Bearer x1' })
    expect(await headers({ flags: url, environment: { CHROMA_OPS_TOKEN: 'e1' } })).toEqual({
      authorization: 'Bearer e1',
    })
  })

  test('goes bare into another header', async () => {
    const flags = { ...url, '--token-header': ['X-Chroma-Token'] }
    expect(await headers({ flags, environment: { CHROMA_OPS_TOKEN: 'e1' } })).toEqual({
      'x-chroma-token': 'e1',
    })
  })

  test('of the cloud goes to the cloud and nowhere else', async () => {
    const environment = { CHROMA_API_KEY: 'ck-1' }
    expect(await headers({ flags: { '--cloud': ['true'] }, environment })).toEqual({
      'x-chroma-token': 'ck-1',
    })
    expect(await headers({ flags: url, environment })).toEqual({})
  })

  test('a flag is stronger than the environment; two flags are a question', async () => {
    const file = await secretFile('from-file')
    const environment = { CHROMA_OPS_TOKEN: 'e1' }
    expect(await headers({ flags: { ...url, '--token-file': [file] }, environment })).toEqual({
      authorization: 'Bearer from-file',
    })
    const both = { ...url, '--token-file': [file], '--token-command': ['echo x'] }
    await expect(headers({ flags: both })).rejects.toThrow(
      '--token-file and --token-command both give a token',
    )
  })

  test.each([
    ['', 'there is nothing in it'],
    ['a\nb\n', 'more than one line'],
  ])('%j is no secret', async (text, message) => {
    const flags = { ...url, '--token-file': [await secretFile(text)] }
    await expect(headers({ flags })).rejects.toThrow(message)
  })

  test('a command that fails is told by what it said on stderr, never by its stdout', async () => {
    const flags = { ...url, '--token-command': ['echo s3cret; echo no vault >&2; exit 3'] }
    const failure = headers({ flags })
    await expect(failure).rejects.toThrow('--token-command: the command failed: no vault')
    await expect(failure).rejects.not.toThrow('s3cret')
  })
})

describe('--header', () => {
  test('takes its value from a variable or a file', async () => {
    const file = await secretFile('from-file')
    const flags = { ...url, '--header': ['X-One: env:ONE', `X-Two: file:${file}`] }
    expect(await headers({ flags, environment: { ONE: '1' } })).toEqual({
      'x-one': '1',
      'x-two': 'from-file',
    })
  })

  test('a value on the command line is refused, and not repeated', async () => {
    const failure = headers({ flags: { ...url, '--header': ['authorization: Bearer s3cret'] } })
    await expect(failure).rejects.toThrow(expect.objectContaining({ exitCode: 2 }))
    await expect(failure).rejects.not.toThrow('s3cret')
  })

  test('a variable that is not set is named', async () => {
    await expect(headers({ flags: { ...url, '--header': ['x: env:NOPE'] } })).rejects.toThrow(
      'NOPE is not set',
    )
  })

  test('in the configuration file it is a map, and files count from its folder', async () => {
    await secretFile('beside')
    expect(await headers({ flags: url, yaml: 'headers:\n  X-One: file:secret\n' })).toEqual({
      'x-one': 'beside',
    })
  })
})

describe('a file that others can write', () => {
  test.each(['token_command: touch ran', 'token_file: secret', 'headers:\n  x: file:secret'])(
    'must not set %j',
    async (line) => {
      await secretFile('x')
      await expect(headers({ flags: url, yaml: `${line}\n`, mode: 0o602 })).rejects.toThrow(
        expect.objectContaining({ code: 'CONFIG_FILE', exitCode: 2 }),
      )
    },
  )

  test('must not choose where credentials go', async () => {
    const yaml = 'url: http://127.0.0.1:1\n'
    const environment = { CHROMA_OPS_TOKEN: 'e1' }
    await expect(headers({ yaml, environment, mode: 0o602 })).rejects.toThrow('must not choose where')
    expect(await headers({ yaml, environment, mode: 0o600 })).toEqual({ authorization: 'Bearer e1' })
  })
})
