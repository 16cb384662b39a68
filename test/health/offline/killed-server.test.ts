import { rm } from 'node:fs/promises'

import { expect, test } from '@jest/globals'

import { exhaustively, killedDirectory, mistakes } from '../../helpers/killed-server.js'
import { healthOfDirectory } from './directories.js'

const KILLS = Number(process.env['CHROMA_OPS_TEST_SERVER_KILLS'] ?? 2)

// Long vectors and rare saves take turns: of the one, pickles are cut off, of the other, transactions.
const loads = Array.from({ length: KILLS }, (_, index) =>
  index % 2 === 0
    ? { dimension: 3000, syncThreshold: 11, afterMs: 400 + Math.random() * 1500 }
    : { dimension: 128, syncThreshold: 40, afterMs: 200 + Math.random() * 1500 },
)

test.each(loads)('what is said after a kill is what a server then finds: %j', async (load) => {
  const directory = await killedDirectory({ ...load, random: Math.random })
  try {
    const offline = await healthOfDirectory(directory)
    const truth = await exhaustively(directory)
    expect(mistakes(offline, truth)).toEqual([])
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
