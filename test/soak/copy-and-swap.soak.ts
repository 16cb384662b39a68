import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { apiForSuite } from '../helpers/api-for-suite.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { Trial, type Moment } from '../helpers/swap-trials.js'

const chroma = chromaForSuite()
const api = apiForSuite(chroma)
let tempDir = ''
beforeAll(async () => {
  tempDir = await mkdtemp(path.join(tmpdir(), 'chroma-ops-swap-soak-'))
})
afterAll(async () => {
  await rm(tempDir, { recursive: true, force: true })
})

const begin = () => Trial.start(chroma().url, api(), tempDir)

/** Before and after each request of a whole run. */
async function moments(): Promise<readonly (Moment & { readonly name: string })[]> {
  const { requests } = await (await begin()).run(null)
  return requests.flatMap((request, at) =>
    (['before', 'after'] as const).map((when) => ({ at, when, name: `killed ${when} ${at}: ${request}` })),
  )
}

test('a process that is killed before or after any request: the next run ends applied', async () => {
  for (const { name, ...death } of await moments()) {
    const trial = await begin()
    expect(await trial.runProcess(death)).toBe('SIGKILL')
    await trial.run(null)
    await trial.expectApplied(name)
  }
}, 3_600_000)

test('killed twice, at any two requests: the third run ends applied', async () => {
  const all = await moments()
  for (const [number, { name, ...death }] of all.entries()) {
    const trial = await begin()
    const second = all[(number * 7) % all.length] ?? { ...death, name }
    await trial.run(death)
    await trial.run({ at: second.at, when: second.when })
    await trial.run(null)
    await trial.expectApplied(`${name}; then ${second.name}`)
  }
}, 3_600_000)

test('killed before or after any request, and aborted: the collection is as it was', async () => {
  for (const { name, ...death } of await moments()) {
    const trial = await begin()
    const { requests } = await trial.run(death)
    if (requests.length <= death.at) continue
    await trial.abort()
    await trial.expectUntouched(name)
  }
}, 3_600_000)
