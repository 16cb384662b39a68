// The records of demo-data/ (see demo-data.md) and a Chroma server, by plain HTTP: what an application does, without
// any part of chroma-ops. The demonstration uses it to fill a server and, later, to look at it with eyes of its own.
import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'

const DIMENSION = 384
const folder = new URL('demo-data/', import.meta.url)

/** @returns {Promise<readonly DemoCollection[]>} */
export async function readDemoCollections() {
  return JSON.parse(await readFile(new URL('collections.json', folder), 'utf8'))
}

/** Creates the databases and collections on the server and adds every record. */
export async function fillServer(url, collections) {
  for (const database of new Set(collections.map((collection) => collection.database))) {
    if (database !== 'default_database') {
      await call(url, 'POST', '/tenants/default_tenant/databases', JSON.stringify({ name: database }))
    }
  }
  for (const collection of collections) {
    const { id } = await call(url, 'POST', collectionsPath(collection), creation(collection))
    if (collection.records > 0) {
      await call(url, 'POST', `${collectionsPath(collection)}/${id}/add`, await addition(collection))
    }
  }
}

export async function deleteCollection(url, collection) {
  await call(url, 'DELETE', `${collectionsPath(collection)}/${collection.name}`)
}

/** Names of all collections of the databases that the given ones are in. */
export async function listNames(url, collections) {
  const paths = new Set(collections.map(collectionsPath))
  const lists = await Promise.all([...paths].map((path) => call(url, 'GET', path)))
  return lists.flat().map(({ name }) => name)
}

/** Everything that the server says about one collection: its metadata and its records by id. */
export async function readCollection(url, collection) {
  const path = collectionsPath(collection)
  const { id, metadata } = await call(url, 'GET', `${path}/${collection.name}`)
  const include = ['documents', 'metadatas', 'uris', 'embeddings']
  const { ids, documents, metadatas, uris, embeddings } = await call(
    url,
    'POST',
    `${path}/${id}/get`,
    JSON.stringify({ include }),
  )
  const records = ids.map((recordId, row) => ({
    id: recordId,
    document: documents[row],
    metadata: metadatas[row],
    uri: uris[row],
    vector: embeddings[row],
  }))
  return { metadata, records }
}

/** The nearest record to the collection's question. */
export async function ask(url, collection) {
  const path = collectionsPath(collection)
  const { id } = await call(url, 'GET', `${path}/${collection.name}`)
  const body = {
    query_embeddings: [collection.questionVector],
    n_results: 1,
    include: ['documents', 'distances'],
  }
  const { ids, documents, distances } = await call(url, 'POST', `${path}/${id}/query`, JSON.stringify(body))
  return { id: ids[0][0], document: documents[0][0], distance: distances[0][0] }
}

function collectionsPath({ database }) {
  return `/tenants/default_tenant/databases/${database}/collections`
}

// The metadata is JSON text already, and stays the text that it is: 4.0 would become 4 on the way through an object.
function creation({ name, space, metadata }) {
  const configuration = JSON.stringify({ hnsw: { space } })
  return `{"name":${JSON.stringify(name)},"metadata":${metadata},"configuration":${configuration}}`
}

async function addition({ name }) {
  const table = gunzipSync(await readFile(new URL(`${name}.tsv.gz`, folder))).toString('utf8')
  const rows = table
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))
  const vectors = await readFile(new URL(`${name}.f32`, folder))
  const vectorBytes = DIMENSION * 4
  const columns = {
    ids: rows.map(([id]) => id),
    documents: rows.map(([, document]) => document),
    uris: rows.map(([, , uri]) => uri),
    metadatas: rows.map(([, , , metadata]) => metadata),
    embeddings: rows.map(
      (_, row) => `"${vectors.toString('base64', row * vectorBytes, (row + 1) * vectorBytes)}"`,
    ),
  }
  const members = Object.entries(columns).map(([key, values]) => `"${key}":[${values.join(',')}]`)
  return `{${members.join(',')}}`
}

async function call(url, method, path, body) {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${url}/api/v2${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: HTTP ${response.status} ${text}`)
  return text === '' ? null : JSON.parse(text)
}

/**
 * @typedef {object} DemoCollection
 * @property {string} database
 * @property {string} name
 * @property {'cosine' | 'l2' | 'ip'} space
 * @property {string} metadata JSON text
 * @property {number} records
 * @property {string} [question]
 * @property {readonly number[]} [questionVector]
 */
