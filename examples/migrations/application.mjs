// What the tutorial calls "the application": it writes a glossary and asks it, through the official client. Which
// model made the vectors stands in the metadata of the collection, so it always asks with the right one.
//
//   node application.mjs http://127.0.0.1:8000 write
//   node application.mjs http://127.0.0.1:8000 add "off by one: one too many." "heisenbug: gone when looked at."
//   node application.mjs http://127.0.0.1:8000 ask "a robot that collects email addresses"
import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'

import { ChromaClient } from 'chromadb'

import { Letters, Trigrams } from './migrations/embedders.mjs'

const embedders = { letters: new Letters(), trigrams: new Trigrams() }

const [url = 'http://127.0.0.1:8000', what = 'ask', ...texts] = process.argv.slice(2)
const { hostname, port, protocol } = new URL(url)
const client = new ChromaClient({ host: hostname, port: Number(port), ssl: protocol === 'https:' })
// Without `null` the client would embed by itself.
const terms = await client.getCollection({ name: 'terms', embeddingFunction: null })
const embedder = embedders[terms.metadata.embedder]

if (what === 'write') await write()
else if (what === 'add') await add()
else await ask()

async function write() {
  const table = gunzipSync(await readFile(new URL('../demo-data/jargon.tsv.gz', import.meta.url)))
  const rows = table.toString('utf8').trimEnd().split('\n')
  const records = rows
    .map((row) => row.split('\t').map((cell) => JSON.parse(cell)))
    .filter(([, document]) => document !== null)
  await terms.add({
    ids: records.map(([id]) => id),
    documents: records.map(([, document]) => document),
    metadatas: records.map(([, , , { letter, words }]) => ({
      words,
      tags: `jargon,${letter.toLowerCase()}`,
    })),
    embeddings: await embedder.generate(records.map(([, document]) => document)),
  })
  console.log(`${await terms.count()} terms`)
}

async function add() {
  const ids = texts.map((text) => text.split(':')[0])
  await terms.add({ ids, documents: texts, embeddings: await embedder.generate(texts) })
  console.log(`${await terms.count()} terms`)
}

async function ask() {
  const queryEmbeddings = await embedder.generate(texts)
  const found = await terms.query({ queryEmbeddings, nResults: 1 })
  console.log(`${found.documents[0][0]}\n(${embedder.name}, ${JSON.stringify(found.metadatas[0][0].tags)})`)
}
