import { defineMigration } from 'chroma-ops'

import { Trigrams } from './embedders.mjs'

export default defineMigration({
  description: 'terms: letters (26, l2) to trigrams (256, cosine)',
  startup: 'never',

  async check(m) {
    await m.collection('terms').require({ space: 'l2', maxRecords: 100_000 })
    await m.collection('terms').requireDocuments()
  },

  async up(m) {
    await m
      .collection('terms')
      .reembed({ with: new Trigrams(), batch: 100 })
      .changeSpace('cosine')
      .copyAndSwap({ keepOld: '14d' })

    await m.collection('terms').setMetadata((previous) => ({ ...previous, embedder: 'trigrams' }))
  },
})
