/**
 * A transport that passes everything on and remembers it, so that the ceiling can send exactly the requests that
 * chroma-ops sends.
 */
export class RecordingTransport {
  /** In the order in which they were sent. */
  requests = []
  /** The most that were under way at the same time. */
  concurrency = 0
  #underWay = 0
  #inner

  constructor(inner) {
    this.#inner = inner
  }

  get displayUrl() {
    return this.#inner.displayUrl
  }

  get stats() {
    return this.#inner.stats
  }

  useBatchRetries() {
    this.#inner.useBatchRetries()
  }

  async send(request) {
    return this.#during(request, () => this.#inner.send(request))
  }

  async exchange(request, decode) {
    return this.#during(request, () => this.#inner.exchange(request, decode))
  }

  async stream(request) {
    return this.#during(request, () => this.#inner.stream(request))
  }

  async close() {
    await this.#inner.close()
  }

  async #during({ method, path, body }, work) {
    this.requests.push({ method, path, body })
    this.concurrency = Math.max(this.concurrency, ++this.#underWay)
    try {
      return await work()
    } finally {
      this.#underWay--
    }
  }
}
