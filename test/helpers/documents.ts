const BASE = '/api/v2/tenants/default_tenant/databases/default_database/collections'

/** Adds records `d<n>` to the collection `docs`, which is made with this threshold if it is not there. */
export async function addDocuments(
  url: string,
  {
    first,
    records,
    threshold,
  }: { readonly first: number; readonly records: number; readonly threshold: number },
): Promise<void> {
  const configuration = { hnsw: { space: 'l2', sync_threshold: threshold, batch_size: 2 } }
  const id = await post(`${url}${BASE}`, { name: 'docs', configuration, get_or_create: true })
  const numbers = Array.from({ length: records }, (_, n) => first + n)
  await post(`${url}${BASE}/${id}/add`, {
    ids: numbers.map((n) => `d${n}`),
    embeddings: numbers.map((n) => Array.from({ length: 16 }, (_, at) => ((n + 1) * (at + 3)) % 97)),
    documents: numbers.map((n) => `document ${n} of the collection`),
    metadatas: numbers.map((n) => ({ number: n })),
  })
}

async function post(url: string, body: object): Promise<string> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${text}`)
  const parsed: unknown = JSON.parse(text)
  return typeof parsed === 'object' && parsed !== null && 'id' in parsed ? String(parsed.id) : ''
}
