// Hashes buffers that another thread sends over, and sends them back: { number, buffer, length } is answered with
// { number, buffer, sha256 }. The buffer is handed over both ways, not copied.
import { hash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'

parentPort.on('message', ({ number, buffer, length }) => {
  const sha256 = hash('sha256', new Uint8Array(buffer, 0, length), 'hex')
  parentPort.postMessage({ number, buffer, sha256 }, [buffer])
})
