import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { apiForSuite } from '../../helpers/api-for-suite.js'
import { chromaForSuite } from '../../helpers/chroma-server.js'
import { isWrite, type DyingTransport } from '../../helpers/dying-transport.js'
import { Trial } from '../../helpers/swap-trials.js'

/** The soak dies before and after every write; the suite after every one, and before every third. */
const everyMoment = process.env['CHROMA_OPS_TEST_STRIDE'] === '1'
const chroma = chromaForSuite()
const api = apiForSuite(chroma)
let tempDir = ''
beforeAll(async () => {
  tempDir = await mkdtemp(path.join(tmpdir(), 'chroma-ops-swap-'))
})
afterAll(async () => {
  await rm(tempDir, { recursive: true, force: true })
})

test('killed before or after any write, the next run ends applied, and the provider is hardly asked twice', async () => {
  const whole = await (await Trial.start(chroma().url, api(), tempDir)).run(null)
  for (const [number, at] of writesOf(whole).entries())
    for (const when of ['before', 'after'] as const) {
      if (when === 'before' && number % 3 !== 0 && !everyMoment) continue
      const trial = await Trial.start(chroma().url, api(), tempDir)
      await trial.run({ at, when })
      await trial.run(null)
      await trial.expectApplied(`death ${when} request ${at}: ${whole.requests[at] ?? ''}`)
    }
})

test('killed before any write, aborted: the collection is as it was, and nothing else is left', async () => {
  const whole = await (await Trial.start(chroma().url, api(), tempDir)).run(null)
  for (const at of writesOf(whole)) {
    const trial = await Trial.start(chroma().url, api(), tempDir)
    await trial.run({ at, when: 'before' })
    await trial.abort()
    await trial.expectUntouched(`death before request ${at}: ${whole.requests[at] ?? ''}`)
  }
})

test('a real process that is killed in the middle of the copy, in the hole and behind the swap is continued', async () => {
  const whole = await (await Trial.start(chroma().url, api(), tempDir)).run(null)
  const puts = whole.requests.flatMap((request, at) => (request.startsWith('PUT ') ? [at] : []))
  const [renamed = 0, swapped = 0] = puts
  const adds = whole.requests.flatMap((request, at) => (request.endsWith('/add') ? [at] : []))
  for (const at of [adds[2] ?? 0, renamed + 1, swapped + 1]) {
    const trial = await Trial.start(chroma().url, api(), tempDir)
    expect(await trial.runProcess({ at, when: 'before' })).toBe('SIGKILL')
    if (at === swapped) expect(await api().findCollection(trial.source)).toBeUndefined()
    await trial.run(null)
    await trial.expectApplied(`killed at request ${at}: ${whole.requests[at] ?? ''}`)
  }
})

function writesOf({ requests }: DyingTransport): readonly number[] {
  return requests.flatMap((request, at) => (isWrite(request) ? [at] : []))
}
