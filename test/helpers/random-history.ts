import type { Space } from '../../src/core/records.js'

/** A collection that is written to in every way, the same way for the same seed. */
export interface History {
  readonly name: string
  readonly space: Space
  readonly syncThreshold: number
  readonly seed: number
  readonly writes: number
}

const DIMENSION = 3
const IDS = 40

/** Adds, updates, upserts and deletes records `r0`, `r1`, … of a new collection with vectors of three numbers. */
export async function randomHistory(url: string, history: History): Promise<void> {
  const { name, space, syncThreshold, seed, writes } = history
  const random = randomNumbers(seed + 1)
  const collections = `${url}/api/v2/tenants/default_tenant/databases/default_database/collections`
  const created = await post(collections, {
    name,
    configuration: { hnsw: { space, sync_threshold: syncThreshold, batch_size: 2 } },
    metadata: { seed, half: 0.5, kept: true },
  })
  const address = `${collections}/${/"id":"([^"]+)"/.exec(created)?.[1] ?? ''}`
  await post(`${address}/add`, records(['r0', 'r1', 'r2', 'r3', 'r4'], random))
  for (let write = 0; write < writes; write++) {
    const ids = [...new Set(Array.from({ length: 1 + random(6) }, () => `r${random(IDS)}`))]
    const operation = ['add', 'add', 'update', 'upsert', 'delete'][random(5)] ?? ''
    await post(`${address}/${operation}`, operation === 'delete' ? { ids } : records(ids, random))
  }
}

function records(ids: readonly string[], random: (below: number) => number) {
  return {
    ids,
    embeddings: ids.map(() => Array.from({ length: DIMENSION }, () => random(2000) / 7 - 100)),
    documents: ids.map((id) => (random(3) === 0 ? null : `document of ${id}, größer 👍 ${random(1000)}\n`)),
    uris: ids.map((id) => (random(3) === 0 ? `file:///${id}` : null)),
    metadatas: ids.map(() => (random(4) === 0 ? null : metadata(random))),
  }
}

function metadata(random: (below: number) => number): object {
  const values: readonly unknown[] = [
    random(1000),
    random(1000) / 7,
    random(2) === 0,
    `text ${random(100)}`,
    [1, 2, random(9)],
    ['a', `b${random(9)}`],
    [0.5, random(9) / 3],
    [true, false],
  ]
  const keys = ['a', 'b', 'c', '__proto__', 'key ü'].filter(() => random(2) === 0)
  return Object.fromEntries(keys.map((key) => [key, values[random(values.length)]]))
}

async function post(address: string, body: object): Promise<string> {
  const response = await fetch(address, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${address}: ${response.status} ${text}`)
  return text
}

/** Whole numbers below a limit that look random (xorshift). */
function randomNumbers(seed: number): (below: number) => number {
  let state = (seed * 2654435761) >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}
