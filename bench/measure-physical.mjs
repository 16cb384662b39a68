import { spawnSync } from 'node:child_process'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { addBody } from './dataset.mjs'
import { library, silent } from './library.mjs'
import { interleave, spread } from './rounds.mjs'

/**
 * Physical backup and restore against `cp -a` (and `sha256sum`) of the same directory, what writers notice of it,
 * and what a second backup stores. Ratios are times: ours / theirs. Ours is durable, `cp` is not asked to be: a
 * second row compares with `cp` and `sync -f`.
 */
export async function measurePhysical(context) {
  const { report, size, folder } = context
  if (spawnSync('sha256sum', ['--version']).status !== 0) {
    report.note('physical: not measured, there is no sha256sum')
    return
  }
  const place = join(folder, `physical-${size.label}`)
  await mkdir(place)
  try {
    const offline = join(place, 'directory')
    const kept = await newRepository(place, 'kept')
    const first = await backUp(kept, context.server.directory, place)
    await restore(kept, first.head, offline)
    await measureTimes({ ...context, place, offline, kept, head: first.head })
    await measureAppended({ ...context, place, kept, first })
    await measureScattered({ ...context, place, kept })
    await measureStall({ ...context, place })
  } finally {
    await rm(place, { recursive: true, force: true })
  }
}

async function measureTimes({ report, size, rounds, place, offline, kept, head, note, server }) {
  const copy = join(place, 'copy')
  const bytes = await bytesBelow(offline)
  let number = 0
  const seconds = await interleave({
    rounds,
    note,
    contestants: {
      physical: () => timedBackup(place, offline, `o${number++}`),
      live: () => timedBackup(place, server.directory, `l${number++}`),
      second: async () => {
        const repository = await newRepository(place, `s${number++}`)
        await backUp(repository, offline, place)
        return timed(() => backUp(repository, offline, place))
      },
      'cp + sha256sum': () => discarded(copy, () => copyAndHash(offline, copy)),
      'cp + sync + sha256sum': () => discarded(copy, () => copyAndHash(offline, copy, true)),
      cp: () => discarded(copy, async () => run('cp', ['-a', offline, copy])),
      'cp + sync': () => discarded(copy, async () => copied(offline, copy, true)),
      restore: () => discarded(copy, () => restore(kept, head, copy)),
    },
  })
  const add = (name, ours, theirs, target) =>
    report.add({
      name: `${size.label}: ${name}`,
      unit: 'ratio',
      ...spread(seconds[ours].map((taken, round) => taken / seconds[theirs][round])),
      target,
      detail: `${Math.round(bytes / 1e6 / spread(seconds[ours]).median)} MB/s`,
      samples: { ours: seconds[ours], theirs: seconds[theirs] },
    })
  add('physical backup, offline / cp -a + sha256sum', 'physical', 'cp + sha256sum', '≤ 1.3')
  add('the same / cp -a + sync -f + sha256sum', 'physical', 'cp + sync + sha256sum')
  add('physical backup, live / cp -a + sha256sum', 'live', 'cp + sha256sum', '≤ 1.3')
  add('the same / cp -a + sync -f + sha256sum, live', 'live', 'cp + sync + sha256sum')
  add('second physical backup / first', 'second', 'physical', '≤ 1')
  add('physical restore / cp -a', 'restore', 'cp', '≤ 1.3')
  add('the same / cp -a + sync -f', 'restore', 'cp + sync')
}

/** One percent more records. */
async function measureAppended({ report, size, client, collection, server, place, kept, first }) {
  const count = Math.ceil(size.records / 100)
  await client.send({
    path: `${collection.path}/add`,
    body: addBody(size.records, count, size.dimension),
  })
  const second = await backUp(kept, server.directory, place)
  share(report, `${size.label}: stored after 1 % appended / stored first`, '≤ 0.1', {
    ours: second.head.sizes.added,
    theirs: first.head.sizes.added,
  })
}

/** One percent of the vectors and documents, here and there. */
async function measureScattered({ report, size, client, collection, server, place, kept }) {
  const step = 100
  const bodies = []
  for (let at = 7; at < size.records; at += step * 50) {
    const ids = Array.from({ length: 50 }, (_, n) => at + n * step).filter((index) => index < size.records)
    bodies.push({
      ids: ids.map((index) => `record-${String(index).padStart(8, '0')}`),
      metadatas: ids.map((index) => ({ chunk: index + 1000 })),
    })
  }
  for (const body of bodies)
    await client.send({ path: `${collection.path}/update`, body: Buffer.from(JSON.stringify(body)) })
  const third = await backUp(kept, server.directory, place)
  share(report, `${size.label}: stored after scattered changes / blocks that changed`, '≤ 1.05', {
    ours: third.head.sizes.added,
    theirs: third.newBlockBytes,
  })
}

/** While a client writes without a pause. */
async function measureStall({ report, size, rounds, client, collection, server, place }) {
  const stalls = []
  const copies = []
  let writing = true
  let index = size.records * 2
  const writer = (async () => {
    while (writing) {
      await client.send({ path: `${collection.path}/add`, body: addBody(index, 20, size.dimension) })
      index += 20
    }
  })()
  try {
    for (let round = 0; round < rounds; round++) {
      const { lockedMs } = await backUp(await newRepository(place, `w${round}`), server.directory, place)
      stalls.push(lockedMs / 1000)
      const copy = join(place, 'database')
      copies.push(await timed(async () => run('cp', [join(server.directory, 'chroma.sqlite3'), copy])))
      await rm(copy)
      await rm(join(place, `w${round}`), { recursive: true })
    }
  } finally {
    writing = false
    await writer
  }
  report.add({
    name: `${size.label}: writers wait, beyond the time of copying the SQLite file`,
    unit: 's',
    ...spread(stalls.map((stall, round) => stall - copies[round])),
    target: '≤ 0.1',
    detail: `the lock was held for ${spread(stalls).median.toFixed(3)} s`,
    samples: { stalls, copies },
  })
}

function share(report, name, target, { ours, theirs }) {
  const value = ours / theirs
  const detail = `${(ours / 1e6).toFixed(1)} of ${(theirs / 1e6).toFixed(1)} MB`
  report.add({ name, unit: 'ratio', min: value, median: value, max: value, target, detail })
}

async function newRepository(place, name) {
  const { repository } = await library.initRepository({
    store: new library.LocalStore(join(place, name)),
    now: new Date(),
  })
  return repository
}

async function backUp(repository, directory, place) {
  const summary = await library.createPhysicalBackup({
    repository,
    directory,
    tempDir: place,
    series: 'bench',
    tags: {},
    allowEmpty: false,
    allowShrink: false,
    maxStallMs: 60_000,
    actor: 'bench',
    host: 'bench',
    toolVersion: '0.0.0',
    now: () => new Date(),
    progress: silent,
  })
  if (summary.exitCode !== 0) throw new Error(summary.problems.join('\n'))
  return summary
}

async function timedBackup(place, directory, name) {
  const repository = await newRepository(place, name)
  const seconds = await timed(() => backUp(repository, directory, place))
  await rm(join(place, name), { recursive: true })
  return seconds
}

async function restore(repository, head, directory) {
  await library.restoreDirectory({
    repository,
    head,
    directory,
    mode: 'create',
    dropOld: false,
    allowPartial: false,
    selection: {},
    serverStopped: true,
    cacheDir: directory,
    run: 'bench',
    now: () => new Date(),
    progress: silent,
  })
}

async function copyAndHash(from, to, durable = false) {
  copied(from, to, durable)
  const files = (await readdir(to, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  run('sha256sum', files)
}

function copied(from, to, durable) {
  run('cp', ['-a', from, to])
  if (durable) run('sync', ['-f', to])
}

async function discarded(folder, work) {
  const seconds = await timed(work)
  await rm(folder, { recursive: true, force: true })
  return seconds
}

async function timed(work) {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}

function run(program, args) {
  if (spawnSync(program, args, { stdio: 'ignore' }).status !== 0) throw new Error(`${program} failed`)
}

async function bytesBelow(folder) {
  let bytes = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  return bytes
}
