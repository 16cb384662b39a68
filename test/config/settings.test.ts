import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import { allSettings, catalogue } from '../../src/config/catalogue.js'
import { isCloud } from '../../src/config/cloud.js'
import { loadConfigFile } from '../../src/config/config-file.js'
import { misspeltVariables } from '../../src/config/environment.js'
import { sourceText } from '../../src/config/setting.js'
import { Settings } from '../../src/config/settings.js'
import { resolveTenants } from '../../src/config/tenants.js'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-config-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

interface Given {
  readonly flags?: Readonly<Record<string, readonly string[]>>
  readonly environment?: Readonly<Record<string, string>>
  readonly yaml?: string
  readonly profile?: string
  readonly uid?: number
}

async function load({ flags = {}, environment = {}, yaml, profile, uid }: Given): Promise<Settings> {
  if (yaml !== undefined) await writeFile(path.join(folder, 'chroma-ops.config.yaml'), yaml)
  const file = await loadConfigFile({
    path: null,
    profile: profile ?? null,
    cwd: folder,
    uid: uid ?? process.getuid?.() ?? null,
  })
  return new Settings({ flags: new Map(Object.entries(flags)), environment, file })
}

const { url, connectTimeout, tenant, database, repo, readOnly, noColor, poolMax, tokenCommand } = catalogue

describe('what wins', () => {
  const yaml = 'url: http://file:1\nprofiles:\n  prod:\n    url: http://profile:1\n'

  test('flag over environment over profile over file over default', async () => {
    const environment = { CHROMA_OPS_URL: 'http://env:1' }
    const flags = { '--url': ['http://flag:1'] }
    expect((await load({})).value(url)).toBeNull()
    expect((await load({ yaml })).value(url)).toBe('http://file:1')
    expect((await load({ yaml, profile: 'prod' })).value(url)).toBe('http://profile:1')
    expect((await load({ yaml, profile: 'prod', environment })).value(url)).toBe('http://env:1')
    expect((await load({ yaml, profile: 'prod', environment, flags })).value(url)).toBe('http://flag:1')
  })

  test('each value knows where it came from', async () => {
    const settings = await load({
      yaml: 'repo: ./backups\npool:\n  max: 20\nprofiles:\n  prod:\n    database: one\n',
      profile: 'prod',
      environment: { CHROMA_TENANT: 'acme' },
      flags: { '--url': ['http://flag:1'] },
    })
    const file = path.join(folder, 'chroma-ops.config.yaml')
    expect(
      [url, tenant, database, poolMax, connectTimeout].map((one) => sourceText(settings.source(one))),
    ).toEqual(['--url', 'CHROMA_TENANT', `${file}: profiles.prod.database`, `${file}: pool.max`, 'default'])
  })

  test('the file can name the profile that holds when none is named', async () => {
    const settings = await load({ yaml: `profile: prod\n${yaml}` })
    expect(settings.value(url)).toBe('http://profile:1')
  })
})

describe('the environment', () => {
  test('our own variables are stronger than those of Chroma', async () => {
    const environment = { CHROMA_OPS_TENANT: 'ours', CHROMA_TENANT: 'theirs', CHROMA_DATABASE: 'theirs' }
    const settings = await load({ environment })
    expect([settings.value(tenant), settings.value(database)]).toEqual([['ours'], ['theirs']])
  })

  test('what Kubernetes injects is no setting', async () => {
    const environment = {
      CHROMA_PORT: 'tcp://10.0.0.1:8000',
      CHROMA_HOST: 'x',
      CHROMA_OPS_PORT: 'tcp://10.0.0.1:80',
      CHROMA_OPS_SERVICE_HOST: '10.0.0.1',
    }
    const settings = await load({ environment })
    expect(allSettings.filter(([, one]) => settings.source(one).from !== 'default')).toEqual([])
    expect(misspeltVariables(environment)).toEqual([])
  })

  test('an empty variable is not set', async () => {
    expect((await load({ environment: { CHROMA_OPS_URL: '', NO_COLOR: '' } })).value(noColor)).toBe(false)
  })

  test('NO_COLOR counts whatever its value is', async () => {
    expect((await load({ environment: { NO_COLOR: '0' } })).value(noColor)).toBe(true)
  })

  test('a misspelt variable is noticed', () => {
    expect(misspeltVariables({ CHROMA_OPS_RPEO: 'x', CHROMA_OPS_URL: 'y', OTHER: 'z' })).toEqual([
      { name: 'CHROMA_OPS_RPEO', meant: 'CHROMA_OPS_REPO' },
    ])
  })

  test('no variable and no key overrides a guard', () => {
    const names = allSettings.flatMap(([name, { environment, key }]) => [name, ...environment, key ?? ''])
    expect(names.filter((name) => /allow|drop|in.?place|force(?!.?path)/i.test(name))).toEqual([])
  })
})

describe('wrong values', () => {
  test('are told with the name of their source, even if nothing would use them', async () => {
    await expect(load({ flags: { '--connect-timeout': ['5'] } })).rejects.toThrow(
      expect.objectContaining({
        message: '--connect-timeout: "5" is not a duration',
        hint: 'add a unit: 5s',
        exitCode: 2,
      }),
    )
    await expect(load({ environment: { CHROMA_OPS_POOL_MAX: '0' } })).rejects.toThrow(
      'CHROMA_OPS_POOL_MAX: "0"',
    )
    await expect(load({ yaml: 'read_only: maybe\n' })).rejects.toThrow(/yaml: read_only: "maybe"/)
  })
})

describe('the file', () => {
  test('may be JSON', async () => {
    await writeFile(
      path.join(folder, 'chroma-ops.config.json'),
      '{"url": "http://json:1", "read_only": true}',
    )
    const settings = await load({})
    expect([settings.value(url), settings.value(readOnly)]).toEqual(['http://json:1', true])
  })

  test('relative paths count from its folder', async () => {
    const settings = await load({ yaml: 'repo: ./backups\n' })
    expect(settings.value(repo)).toBe(path.join(folder, 'backups'))
    expect((await load({ yaml: 'repo: s3://bucket/x\n' })).value(repo)).toBe('s3://bucket/x')
  })

  test.each([
    ['ulr: http://x:1', 'unknown key ulr', 'did you mean url?'],
    ['profiles:\n  prod:\n    rpeo: x', 'unknown key profiles.prod.rpeo', 'did you mean repo?'],
    ['pool:\n  mx: 3', 'unknown key pool.mx', 'did you mean pool.max?'],
    ['allow_shrink: true', 'unknown key allow_shrink', undefined],
    ['token: abc', 'unknown key token', undefined],
  ])('%j is refused', async (yaml, message, hint) => {
    await expect(load({ yaml })).rejects.toThrow(
      expect.objectContaining({ message: expect.stringContaining(message), exitCode: 2 }),
    )
    if (hint !== undefined) await expect(load({ yaml })).rejects.toThrow(expect.objectContaining({ hint }))
  })

  test.each([
    ['url: [1, 2]', 'url: expected'],
    ['pool: 3', 'pool: expected Object'],
    ['profiles: [a]', 'profiles.0: expected Object'],
    ['- a', 'is a list, not a map'],
    ['just text', 'the file: expected Object'],
    ['headers: x', 'headers: expected Object'],
    ['url: a: b', 'is not valid'],
    ['url: a\nurl: b', 'is not valid'],
  ])('%j is not what it should be', async (yaml, message) => {
    await expect(load({ yaml })).rejects.toThrow(message)
  })

  test('an empty file says nothing', async () => {
    expect((await load({ yaml: '' })).value(url)).toBeNull()
  })

  test('an unknown profile is told with the known ones', async () => {
    await expect(load({ yaml: 'profiles:\n  prod: {}\n', profile: 'prd' })).rejects.toThrow(
      expect.objectContaining({ hint: 'did you mean prod?', exitCode: 2 }),
    )
    await rm(path.join(folder, 'chroma-ops.config.yaml'))
    await expect(load({ profile: 'prod' })).rejects.toThrow('no configuration file')
  })

  test('two of them are a question', async () => {
    await writeFile(path.join(folder, 'chroma-ops.config.json'), '{}')
    await expect(load({ yaml: '' })).rejects.toThrow('two configuration files')
  })

  test('one that was named must be there', async () => {
    const job = { path: 'nowhere.yaml', profile: null, cwd: folder, uid: null }
    await expect(loadConfigFile(job)).rejects.toThrow(
      expect.objectContaining({ code: 'CONFIG_FILE', exitCode: 2 }),
    )
  })

  test('is not trusted when everybody may write it', async () => {
    const settings = await load({ yaml: 'token_command: echo x\n' })
    expect(settings.file?.trusted).toBe(true)
    await chmod(path.join(folder, 'chroma-ops.config.yaml'), 0o666)
    expect((await load({})).file?.trusted).toBe(false)
    expect((await load({})).source(tokenCommand)).toMatchObject({ from: 'file', trusted: false })
  })

  const asRoot = process.getuid?.() === 0 ? test : test.skip
  asRoot('is not trusted when it belongs to another user, but root is trusted', async () => {
    await load({ yaml: 'token_command: echo x\n' })
    expect((await load({ uid: 4711 })).file?.trusted).toBe(true)
    await chown(path.join(folder, 'chroma-ops.config.yaml'), 4712, 4712)
    expect((await load({ uid: 4711 })).file?.trusted).toBe(false)
  })
})

describe('tenants', () => {
  test('come from flags and from a file, each once', async () => {
    const file = path.join(folder, 'tenants')
    await writeFile(file, '# ours\nacme\n\n  globex \nacme\n')
    const settings = await load({ flags: { '--tenant': ['initech', 'acme'], '--tenants-file': [file] } })
    expect(await resolveTenants(settings)).toEqual(['initech', 'acme', 'globex'])
  })

  test('an empty file is a mistake', async () => {
    const file = path.join(folder, 'tenants')
    await writeFile(file, '# none\n')
    await expect(resolveTenants(await load({ flags: { '--tenants-file': [file] } }))).rejects.toThrow(
      'no tenant in',
    )
  })
})

describe('the cloud', () => {
  test('a stronger URL takes its place; equally strong ones exclude each other', async () => {
    expect(isCloud(await load({ flags: { '--cloud': ['true'] }, yaml: 'url: http://x:1\n' }))).toBe(true)
    expect(isCloud(await load({ flags: { '--url': ['http://x:1'] }, yaml: 'cloud: true\n' }))).toBe(false)
    const both = await load({ flags: { '--url': ['http://x:1'], '--cloud': ['true'] } })
    expect(() => isCloud(both)).toThrow('exclude each other')
  })
})
