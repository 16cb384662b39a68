// Checks the database of a data directory in a process of its own: while SQLite compares pages nothing can stop it
// but the end of its process. The parent sends one message and gets one back; see
// src/health/offline/check-database-apart.ts. SQLite works in a second thread, so that the first one hears when the
// parent goes, and ends the process.
import { isMainThread, parentPort, workerData, Worker } from 'node:worker_threads'

if (isMainThread) {
  // An exit would wait for the thread.
  process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))
  process.once('message', (request) => {
    const checking = new Worker(new URL(import.meta.url), { workerData: request })
    // Without waiting for what is still being read ahead.
    checking.once('message', (answer) => process.send(answer, () => process.exit(0)))
    checking.once('error', (error) => {
      const answer = { type: 'bug', text: error instanceof Error ? error.stack : String(error) }
      process.send(answer, () => process.exit(1))
    })
  })
} else {
  const { answer } = await import('../dist/health/offline/database-process.js')
  parentPort.postMessage(await answer(workerData))
}
