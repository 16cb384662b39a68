import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterEach, beforeEach, expect, test } from '@jest/globals'

import {
  DiskEmbeddingCache,
  type DiskCacheOptions,
} from '../../../src/migrations/operations/embedding-cache-disk.js'

let directory: string
const opened: DiskEmbeddingCache[] = []
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'chroma-ops-cache-'))
})
afterEach(async () => {
  for (const cache of opened.splice(0)) await cache.close()
  await rm(directory, { recursive: true, force: true })
})

function cacheWith(options: Partial<DiskCacheOptions> = {}): DiskEmbeddingCache {
  const cache = new DiskEmbeddingCache({ directory, ...options })
  opened.push(cache)
  return cache
}

const vector = Float32Array.of(0.1, -0, 1e-40)

async function segments(): Promise<string[]> {
  return (await readdir(directory)).sort().map((name) => path.join(directory, name))
}

test('what is kept is there for this and for later runs, by model and text, to the bit', async () => {
  const first = cacheWith()
  await first.put('model', ['a', ''], [vector, Float32Array.of(7)])
  for (const cache of [first, cacheWith()]) {
    const [a, empty, other] = await cache.get('model', ['a', '', 'b'])
    expect(a && [...new Uint32Array(a.buffer)]).toEqual([...new Uint32Array(vector.buffer)])
    expect([empty, other]).toEqual([Float32Array.of(7), null])
    expect(await cache.get('mode', ['la'])).toEqual([null])
    expect(await cache.get('another', ['a'])).toEqual([null])
  }
})

test('nothing is made for reading, and nothing can be read from it', async () => {
  const cache = cacheWith({ directory: path.join(directory, 'new') })
  expect(await cache.get('model', ['a'])).toEqual([null])
  expect(await readdir(directory)).toEqual([])
  await cache.put('secret-model', ['secret text'], [vector])
  const [file = ''] = await readdir(path.join(directory, 'new'))
  const handle = await open(path.join(directory, 'new', file))
  expect(String(await handle.readFile())).not.toContain('secret')
  await handle.close()
})

test('an unfinished entry and a damaged one count as not there', async () => {
  await cacheWith().put('model', ['a', 'b'], [vector, vector])
  const [file = ''] = await segments()
  await appendFile(file, Buffer.from('cev1\u0003\0\0\0half an entry', 'latin1'))
  expect(await cacheWith().get('model', ['a', 'b'])).toEqual([vector, vector])
  const handle = await open(file, 'r+')
  await handle.write(Buffer.from([0xff]), 0, 1, 12 + 32 + 2)
  await handle.close()
  expect(await cacheWith().get('model', ['a', 'b'])).toEqual([null, vector])
  await writeFile(path.join(directory, 'zzz.vectors'), 'no entries at all')
  expect(await cacheWith().get('model', ['b'])).toEqual([vector])
})

test('the oldest vectors go when there are too many bytes', async () => {
  const cache = cacheWith({ maxBytes: 4000, segmentBytes: 1000 })
  const texts = Array.from({ length: 200 }, (_, at) => `text ${at}`)
  for (const text of texts) await cache.put('model', [text], [vector])
  const sizes = await Promise.all((await segments()).map(async (file) => (await stat(file)).size))
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(4000 + 1000)
  const later = await cacheWith().get('model', texts)
  expect(later.at(0)).toBeNull()
  expect(later.at(-1)).toEqual(vector)
})

test('what cannot be kept is told once, and is no error', async () => {
  const warnings: string[] = []
  const file = path.join(directory, 'a-file')
  await writeFile(file, '')
  const cache = cacheWith({ directory: file, onWarning: ({ message }) => warnings.push(message) })
  await cache.put('model', ['a'], [vector])
  await cache.put('model', ['a'], [vector])
  expect(await cache.get('model', ['a'])).toEqual([null])
  expect(warnings).toEqual([expect.stringContaining(`${file}: `)])
})

test('two processes at once, both killed: what they had kept is there', async () => {
  const script = fileURLToPath(new URL('keep-vectors.ts', import.meta.url))
  const loader = fileURLToPath(new URL('../../helpers/run-typescript.js', import.meta.url))
  const kept = await Promise.all(
    ['one', 'two'].map(async (label) => {
      const child = spawn(process.execPath, ['--import', loader, script, directory, label], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let said = ''
      for await (const piece of child.stdout) {
        said += String(piece)
        if (said.split('\n').length > 200 && !child.killed) child.kill('SIGKILL')
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      return { label, count: said.split('\n').length - 1 }
    }),
  )
  const cache = cacheWith()
  for (const { label, count } of kept) {
    expect(count).toBeGreaterThanOrEqual(200)
    const numbers = Array.from({ length: count }, (_, at) => at)
    const found = await cache.get(
      'model',
      numbers.map((at) => `${label}-${at}`),
    )
    expect(found).toEqual(numbers.map((at) => Float32Array.of(at, at + 0.5, -at)))
  }
})
