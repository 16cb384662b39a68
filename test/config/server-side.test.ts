import { describe, expect, test } from '@jest/globals'

import { catalogue } from '../../src/config/catalogue.js'
import type { ConfigFile } from '../../src/config/config-file.js'
import { misspeltVariables } from '../../src/config/environment.js'
import { sourceText } from '../../src/config/setting.js'
import { Settings } from '../../src/config/settings.js'

const file = (values: Readonly<Record<string, string>>): ConfigFile => ({
  path: '/etc/chroma-ops.config.yaml',
  profile: null,
  profiles: [],
  trusted: true,
  values: new Map(Object.entries(values).map(([key, text]) => [key, { texts: [text], profile: null }])),
})

const settings = new Settings({
  flags: new Map([['--url', ['http://one']]]),
  environment: {
    CHROMA_OPS_TOKEN: 'of one server',
    CHROMA_OPS_TO_TOKEN: 'of the target',
    CHROMA_API_KEY: 'cloud',
    CHROMA_OPS_FROM_API_KEY: 'cloud of the source',
    CHROMA_TENANT: 'tenant',
    CHROMA_OPS_MAX_RETRIES: '7',
  },
  file: file({ url: 'http://file', token_file: '/secret', concurrency: '2' }),
})
const nothing = { flags: new Map<string, readonly string[]>(), profile: null }

describe('the settings of one of two servers', () => {
  test('hold nothing that is meant for one server', () => {
    const from = settings.forSide('from', nothing)
    expect(from.value(catalogue.url)).toBeNull()
    expect(from.value(catalogue.token)).toBeNull()
    expect(from.value(catalogue.tokenFile)).toBeNull()
    expect(from.value(catalogue.tenant)).toEqual([])
  })

  test('have flags, variables and a profile of their own, and say where a value is from', () => {
    const to = settings.forSide('to', {
      flags: new Map([['--to-url', ['http://target']]]),
      profile: file({ url: 'http://profile', token_header: 'x-token' }),
    })
    expect(to.value(catalogue.url)).toBe('http://target')
    expect(sourceText(to.source(catalogue.url))).toBe('--to-url')
    expect(to.value(catalogue.token)).toBe('of the target')
    expect(sourceText(to.source(catalogue.token))).toBe('CHROMA_OPS_TO_TOKEN')
    expect(to.value(catalogue.tokenHeader)).toBe('x-token')
    expect(to.value(catalogue.apiKey)).toBe('cloud')
    expect(settings.forSide('from', nothing).value(catalogue.apiKey)).toBe('cloud of the source')
  })

  test('share what is no matter of the server', () => {
    const from = settings.forSide('from', nothing)
    expect(from.value(catalogue.maxRetries)).toBe(7)
    expect(from.value(catalogue.concurrency)).toBe(2)
  })

  test('their variables are known', () => {
    const environment = { CHROMA_OPS_FROM_TOKEN: 'x', CHROMA_OPS_TO_URL: 'x', CHROMA_OPS_FORM_URL: 'x' }
    expect(misspeltVariables(environment)).toEqual([
      { name: 'CHROMA_OPS_FORM_URL', meant: 'CHROMA_OPS_FROM_URL' },
    ])
  })
})
