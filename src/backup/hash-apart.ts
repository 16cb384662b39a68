import { fileURLToPath } from 'node:url'
import { types } from 'node:util'
import { Worker } from 'node:worker_threads'

import { sha256Hex } from './object-reference.js'

export interface Hashed {
  readonly sha256: string
  /** What was given. The buffer that was given cannot be used any more. */
  readonly bytes: Buffer
}

/**
 * Hashes large buffers in a thread of their own, while this one goes on. The memory is handed over and comes
 * back, for to copy it costs as much as to hash it; so nobody else may use any of it. What is small, or begins
 * within its memory, is hashed here.
 */
export async function hashApart(bytes: Buffer): Promise<Hashed> {
  const { buffer, byteOffset, length } = bytes
  if (length < APART_FROM || byteOffset > 0 || !types.isArrayBuffer(buffer))
    return { sha256: sha256Hex(bytes), bytes }
  thread ??= new HashThread(() => (thread = null))
  return thread.hash(buffer, length)
}

const APART_FROM = 1024 * 1024
const IDLE_MS = 1000
/** The same file seen from src/backup and from dist/backup. */
const THREAD = fileURLToPath(new URL('../../bin/hash-thread.js', import.meta.url))

/** One for all: it remembers nothing, and a second one would find no free core. */
let thread: HashThread | null = null

interface Waiting {
  readonly length: number
  readonly resolve: (hashed: Hashed) => void
  readonly reject: (error: unknown) => void
}

/** Ends when it has nothing to do for a while, and keeps no process alive. */
class HashThread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #onEnd: () => void
  #number = 0
  #idle: NodeJS.Timeout | undefined

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd
    this.#worker = new Worker(THREAD, { execArgv: [] })
    this.#worker.on('message', (answer: unknown) => this.#take(answer))
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('exit', () => this.#fail(new Error('the thread that hashes has ended')))
  }

  async hash(buffer: ArrayBuffer, length: number): Promise<Hashed> {
    clearTimeout(this.#idle)
    this.#worker.ref()
    const number = this.#number++
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { length, resolve, reject })
      this.#worker.postMessage({ number, buffer, length }, [buffer])
    })
  }

  #take(answer: unknown): void {
    if (!isAnswer(answer)) throw new Error('an answer of no meaning')
    const waiting = this.#waiting.get(answer.number)
    this.#waiting.delete(answer.number)
    waiting?.resolve({ sha256: answer.sha256, bytes: Buffer.from(answer.buffer, 0, waiting.length) })
    if (this.#waiting.size > 0) return
    this.#worker.unref()
    this.#idle = setTimeout(() => this.#end(), IDLE_MS).unref()
  }

  #end(): void {
    this.#onEnd()
    void this.#worker.terminate()
  }

  #fail(error: unknown): void {
    if (this.#waiting.size > 0) this.#onEnd()
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}

interface Answer {
  readonly number: number
  readonly buffer: ArrayBuffer
  readonly sha256: string
}

function isAnswer(value: unknown): value is Answer {
  return (
    typeof value === 'object' &&
    value !== null &&
    'number' in value &&
    typeof value.number === 'number' &&
    'sha256' in value &&
    typeof value.sha256 === 'string' &&
    'buffer' in value &&
    types.isArrayBuffer(value.buffer)
  )
}
