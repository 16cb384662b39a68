import { Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'

import { expect, test } from '@jest/globals'

import { writeTar } from '../../../src/backup/archive/write-tar.js'

const gone = Object.assign(new Error('the reader has gone'), { code: 'EPIPE' })

async function* files(moments: number) {
  for (let at = 0; at < 40; at++) {
    for (let moment = 0; moment < moments; moment++) await turn()
    yield { name: `file-${at}`, bytes: Buffer.alloc(300, at) }
  }
}

test.each([
  ['that come at once', 0],
  ['that take a moment each', 1],
  ['that take longer', 3],
])('a sink that fails between any two steps ends an archive of files %s', async (_, moments) => {
  for (let steps = 0; steps < 60; steps++) {
    const sink = new Writable({ write: (_piece, _encoding, done) => setImmediate(done) })
    const writing = writeTar(files(moments), sink)
    const outcome = writing.then(
      () => 'written',
      (error: unknown) => error,
    )
    for (let step = 0; step < steps; step++) await turn()
    sink.destroy(gone)
    expect(['written', gone]).toContain(await outcome)
    await turn()
    await turn()
  }
})

test('a sink that fails from within is what is told', async () => {
  for (let pieces = 0; pieces < 8; pieces++) {
    let left = pieces
    const sink = new Writable({
      write: (_piece, _encoding, done) => setImmediate(done, left-- > 0 ? null : gone),
    })
    await expect(writeTar(files(1), sink)).rejects.toBe(gone)
  }
})
