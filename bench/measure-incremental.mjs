import { rm } from 'node:fs/promises'
import { join } from 'node:path'

import { library, silent } from './library.mjs'
import { interleave, speedRatio } from './rounds.mjs'
import { SyntheticCollection } from './synthetic-source.mjs'

const DAYS = 30
const LAYERS = 16

/** What incremental backups add, and what reading base and layers costs; without a server. */
export async function measureIncremental({ report, records, dimension, rounds, folder, note }) {
  const place = join(folder, 'incremental')
  const label = `${records}x${dimension}`
  const collection = new SyntheticCollection({ records, dimension })
  const store = new library.LocalStore(place)
  const { repository } = await library.initRepository({ store, now: new Date() })
  let day = 0
  const backUp = async (type = 'auto') => {
    const now = new Date(Date.UTC(2026, 0, 1) + day++ * 86_400_000)
    note(`${label}: backup ${day}`)
    const job = jobOf(repository, collection.source(), { now: () => now, type })
    return (await library.createBackup(job)).head
  }
  try {
    const full = await backUp()
    const bytes = full.sizes.added
    const share = (name, added, target, detail = '') =>
      report.add({
        name: `${label}: ${name}`,
        unit: 'ratio',
        median: added / bytes,
        min: added / bytes,
        max: added / bytes,
        target,
        detail: detail || `${(added / 1e6).toFixed(2)} MB`,
        samples: [added],
      })
    const unchanged = await backUp()
    share(
      'a backup of nothing new / a full one',
      unchanged.sizes.added,
      '< 100 kB',
      `${unchanged.sizes.added} bytes`,
    )
    let all = bytes + unchanged.sizes.added
    let layered = null
    for (let change = 1; change < DAYS; change++) {
      collection.change(0.01, change)
      const { sizes, id } = await backUp()
      all += sizes.added
      if (change === 1) share('1 % changed / a full one', sizes.added, '≤ 0.02')
      if (change === LAYERS) layered = { id, sizes }
      if (change === LAYERS) layered.head = await library.resolveBackup(repository, id)
    }
    share(`${DAYS} days with 1 % each / a full one`, all, '< 1.6')
    const heads = { layered: layered.head, full }
    const seconds = await interleave({
      rounds,
      note,
      contestants: {
        full: () => readAll(repository, heads.full),
        layered: () => readAll(repository, heads.layered),
      },
    })
    report.add({
      name: `${label}: reading base and ${LAYERS} layers / a full backup`,
      unit: 'ratio',
      ...speedRatio(seconds.layered, seconds.full),
      target: '≥ 0.9',
      samples: seconds,
    })
  } finally {
    await rm(place, { recursive: true, force: true })
  }
}

async function readAll(repository, head) {
  const source = new library.BackupSource(repository, head)
  const [definition] = await source.listCollections()
  const reader = await source.openCollection(definition)
  let records = 0
  for await (const { ids } of reader.batches()) records += ids.length
  if (records !== head.counts.records) throw new Error('records are missing')
}

function jobOf(repository, source, more) {
  return {
    repository,
    source,
    target: { url: 'synthetic:', fingerprint: {} },
    scope: { tenants: ['default_tenant'], databases: null },
    series: 'bench',
    tags: {},
    allowEmpty: false,
    allowShrink: false,
    actor: 'bench',
    host: 'bench',
    toolVersion: '0.0.0',
    progress: silent,
    ...more,
  }
}
