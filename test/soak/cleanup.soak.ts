import { test } from '@jest/globals'

import { cleanUnderLoad } from '../cleanup/under-load.js'
import { startChroma } from '../helpers/chroma-server.js'

test('50 times cleaning while a server is written to loses nothing', async () => {
  for (let time = 0; time < 50; time++) {
    const server = await startChroma()
    try {
      await cleanUnderLoad(server, 8)
    } finally {
      await server.stop()
    }
  }
}, 3_600_000)
