import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { chromaForSuite } from '../helpers/chroma-server.js'
import { withFlippedBit } from '../helpers/faulty-store.js'
import { runJson } from '../helpers/outcomes.js'
import { sampleBatch } from '../helpers/records.js'
import { backUp, expectSound } from '../helpers/repositories.js'
import { withApi } from '../helpers/restores.js'
import { documentOf, runCli } from '../helpers/run-cli.js'
import { dropCollections, serverContents } from '../helpers/server-contents.js'
import { seedServer } from '../helpers/server-seeds.js'

/** Bits flipped in each file; `npm run test:soak` flips more. */
const BITS = Number(process.env['CHROMA_OPS_TEST_BITS'] ?? 4)

const chroma = chromaForSuite()
const home = { tenant: 'default_tenant', database: 'default_database', metadata: null, space: 'l2' } as const
let folder: string
let repo: string
/** The older one shares objects with the newer one. */
let older: string
let newer: string
/** Of everything that a backup consists of, below the repository. */
let files: string[]

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-damage-'))
  repo = path.join(folder, 'backups')
  const seed = (name: string, first: number) =>
    withApi(chroma().url, (api) =>
      seedServer(api, [{ ...home, name, records: sampleBatch({ rows: 90, dimension: 4, first }) }]),
    )
  await seed('docs', 0)
  older = await backUp(chroma().url, repo)
  await seed('images', 1000)
  newer = await backUp(chroma().url, repo)
  await dropCollections(chroma().url)
  const entries = await readdir(repo, { recursive: true, withFileTypes: true })
  files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(repo, path.join(entry.parentPath, entry.name)))
    .filter((file) => /^(objects|backups)\//.test(file))
})

afterAll(() => rm(folder, { recursive: true }))

/** Runs with a changed file, and puts the file back. */
async function withChanged(
  file: string,
  change: (bytes: Buffer) => Buffer | null,
  work: () => Promise<void>,
): Promise<void> {
  const place = path.join(repo, file)
  await copyFile(place, path.join(folder, 'original'))
  const changed = change(await readFile(place))
  try {
    if (changed === null) await rm(place)
    else await writeFile(place, changed)
    await work()
  } finally {
    await copyFile(path.join(folder, 'original'), place)
  }
}

async function expectFound(file: string, code: string): Promise<void> {
  const run = await runCli(['backup', 'verify', '--repo', repo, '--json'])
  expect(run.exitCode).toBe(13)
  const { status, reports, unreadable } = documentOf(run)
  expect(status).toBe('damaged')
  const told = JSON.stringify([reports, unreadable])
  expect(told).toContain(`"${code}"`)
  expect(told).toContain(file.startsWith('backups/') ? path.basename(file, '.json') : `"key":"${file}"`)
}

/** Whether a restore is refused with 13; then no collection has its name. */
async function stopsRestore(id: string): Promise<boolean> {
  const run = await runCli(['restore', id, '--repo', repo, '--url', chroma().url, '--json'])
  if (run.exitCode === 0) return false
  expect(documentOf(run)).toMatchObject({ error: { exitCode: 13 } })
  const names = [...(await serverContents(chroma().url)).keys()]
  expect(names.filter((name) => !name.includes('.restore-'))).toEqual([])
  return true
}

const isManifest = (file: string) => file.startsWith('backups/')

test('there is every kind of file to damage', () => {
  expect(files.filter(isManifest)).toHaveLength(2)
  expect(files.length).toBeGreaterThanOrEqual(2 + 4 + 4)
})

test('one flipped bit, in every file in turn, is found and named: 13', async () => {
  for (const file of files) {
    const { length } = await readFile(path.join(repo, file))
    for (let time = 0; time < BITS; time++) {
      const bit = Math.floor(Math.random() * length * 8)
      await withChanged(
        file,
        (bytes) => withFlippedBit(bytes, bit),
        () => expectFound(file, isManifest(file) ? 'MANIFEST_DAMAGED' : 'OBJECT_ALTERED'),
      )
    }
  }
  await expectSound(repo)
})

test('a flipped bit in whatever a restore needs stops it with 13, and no collection gets its name', async () => {
  const restored: string[] = []
  for (const file of files) {
    if (file === `backups/${older}.json`) continue
    await withChanged(
      file,
      (bytes) => withFlippedBit(bytes, Math.floor(Math.random() * bytes.length * 8)),
      async () => {
        if (!(await stopsRestore(newer))) restored.push(file)
      },
    )
    await dropCollections(chroma().url)
  }
  // Index pages serve later backups; a restore never reads them.
  expect(restored.length).toBeLessThanOrEqual(2)
  for (const file of restored) expect(isIndex(await readFile(path.join(repo, file)))).toBe(true)
})

/** The only objects that hold ids as they are. */
function isIndex(bytes: Buffer): boolean {
  return bytes.includes('id0000') && !bytes.subarray(0, 1).equals(Buffer.from('{'))
}

describe('an object', () => {
  const objects = () => files.filter((file) => !isManifest(file) && file.includes(newer))

  test('that is missing is named', async () => {
    for (const file of objects())
      await withChanged(
        file,
        () => null,
        () => expectFound(file, 'OBJECT_MISSING'),
      )
  })

  test('that is cut off, or empty, is named', async () => {
    for (const file of objects()) {
      for (const keep of [0, 0.5])
        await withChanged(
          file,
          (bytes) => bytes.subarray(0, Math.floor(bytes.length * keep)),
          () => expectFound(file, 'OBJECT_TRUNCATED'),
        )
    }
  })

  test('with something behind its end is named', async () => {
    for (const file of objects())
      await withChanged(
        file,
        (bytes) => Buffer.concat([bytes, bytes]),
        () => expectFound(file, 'OBJECT_ALTERED'),
      )
  })

  test('in the place of another one is named', async () => {
    const [first = '', second = ''] = objects()
    const other = await readFile(path.join(repo, second))
    await withChanged(
      first,
      () => other,
      () => expectFound(first, 'OBJECT_SWAPPED'),
    )
  })

  test('that is gone stops a restore with 13, before any name', async () => {
    for (const file of objects()) {
      if (isIndex(await readFile(path.join(repo, file)))) continue
      await withChanged(
        file,
        () => null,
        async () => expect(await stopsRestore(newer)).toBe(true),
      )
      await dropCollections(chroma().url)
    }
  })
})

describe('a manifest', () => {
  test('that is cut off is listed as damaged, and neither latest nor restorable', async () => {
    await withChanged(
      `backups/${newer}.json`,
      (bytes) => bytes.subarray(0, bytes.length / 2),
      async () => {
        const { backups, warnings } = await runJson(['backup', 'list', '--repo', repo], 3)
        expect(warnings).toMatchObject([
          { code: 'MANIFEST_DAMAGED', message: expect.stringContaining(newer) },
        ])
        expect(backups).toMatchObject([{ id: newer, damaged: { code: 'MANIFEST_DAMAGED' } }, { id: older }])
        expect(await stopsRestore(newer)).toBe(true)
        expect(await stopsRestore('latest')).toBe(true)
        expect(await runJson(['restore', older, '--repo', repo, '--url', chroma().url])).toMatchObject({
          equal: true,
        })
        await dropCollections(chroma().url)
      },
    )
  })

  test('of another backup under its name is damaged', async () => {
    const other = await readFile(path.join(repo, `backups/${older}.json`))
    await withChanged(
      `backups/${newer}.json`,
      () => other,
      () => expectFound(`backups/${newer}.json`, 'MANIFEST_DAMAGED'),
    )
  })

  test('that was put back under a name of its own is damaged', async () => {
    const copy = `backups/${older.replace(/^\d{8}/, '20200101')}.json`
    await copyFile(path.join(repo, `backups/${older}.json`), path.join(repo, copy))
    await expectFound(copy, 'MANIFEST_DAMAGED')
    await rm(path.join(repo, copy))
    await expectSound(repo)
  })
})

test('a repo.json that is altered or missing is 13, and no backup is lost by it', async () => {
  for (const change of [(bytes: Buffer) => withFlippedBit(bytes, 77), () => null]) {
    await withChanged('repo.json', change, async () => {
      for (const command of [['list'], ['verify'], ['create', '--url', chroma().url, '--init']]) {
        const run = await runCli(['backup', ...command, '--repo', repo, '--json'])
        expect(run.exitCode).toBe(13)
        expect(documentOf(run)).toMatchObject({ error: { code: 'REPOSITORY_DAMAGED' } })
      }
    })
  }
  await expectSound(repo)
})
