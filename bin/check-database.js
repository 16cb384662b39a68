// Checks the database of a data directory in a process of its own: while SQLite compares pages nothing can stop it
// but the end of its process. The parent sends one message and gets one back; see
// src/health/offline/check-database-apart.ts. When the parent goes, so does this.
import { answer } from '../dist/health/offline/database-process.js'

process.once('disconnect', () => process.exit(0))
process.once('message', async (request) => {
  // Without waiting for what is still being read ahead.
  process.send(await answer(request), () => process.exit(0))
})
