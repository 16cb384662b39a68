import { Pool } from 'undici'

/** The barest client there is: sends prepared requests and throws the answers away as they come, unparsed. */
export class RawClient {
  /** @param {string} url @param {number} connections */
  constructor(url, connections) {
    this.pool = new Pool(url, { connections, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 })
  }

  /** @returns {Promise<number>} bytes of the answer */
  send({ method = 'POST', path, body }) {
    return new Promise((resolve, reject) => {
      let bytes = 0
      const headers = body === undefined ? {} : { 'content-type': 'application/json' }
      this.pool.dispatch(
        { method, path, body, headers },
        {
          onRequestStart() {},
          onResponseStart(_controller, status) {
            if (status >= 300) reject(new Error(`${method} ${path}: HTTP ${status}`))
          },
          onResponseData(_controller, chunk) {
            bytes += chunk.length
          },
          onResponseEnd() {
            resolve(bytes)
          },
          onResponseError(_controller, error) {
            reject(error)
          },
        },
      )
    })
  }

  /** @returns {Promise<unknown>} the answer, parsed as most programs do */
  async json({ method = 'POST', path, body }) {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const answer = await this.pool.request({ method, path, body, headers })
    const text = await answer.body.text()
    if (answer.statusCode >= 300)
      throw new Error(`${method} ${path}: HTTP ${answer.statusCode} ${text.slice(0, 200)}`)
    return text === '' ? null : JSON.parse(text)
  }

  async close() {
    await this.pool.close()
  }
}

/** Runs `work` on every item, at most `concurrency` at a time, in order. */
export async function eachOf(items, concurrency, work) {
  const iterator = items[Symbol.iterator]()
  const lane = async () => {
    for (let step = iterator.next(); !step.done; step = iterator.next()) await work(step.value)
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
}

export const DATABASE = '/api/v2/tenants/default_tenant/databases/default_database'

/** @returns {Promise<{ id: string, name: string, path: string }>} */
export async function createCollection(client, name) {
  const body = JSON.stringify({ name, metadata: null })
  const { id } = await client.json({ path: `${DATABASE}/collections`, body })
  return { id, name, path: `${DATABASE}/collections/${id}` }
}

export async function deleteCollection(client, name) {
  await client.send({ method: 'DELETE', path: `${DATABASE}/collections/${name}` })
}
