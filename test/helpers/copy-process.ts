// A copy in a process of its own, for tests that kill it:
//   node --import ./test/helpers/run-typescript.js copy-process.ts <from> <to> <database> <mode> <temp> <state>
// Writes "begin" when the copy begins and "end" when it is done.
import { silentProgress } from '../../src/core/progress.js'
import { copyCollections } from '../../src/transfer/copy-collections.js'
import { withApi } from './restores.js'

const [fromUrl = '', toUrl = '', database = '', mode = '', tempDir = '', stateDir] = process.argv.slice(2)

await withApi(fromUrl, (from) =>
  withApi(toUrl, async (to) => {
    process.stdout.write('begin\n')
    await copyCollections({
      from,
      to,
      scope: { tenants: ['default_tenant'], databases: [database] },
      mode: mode === 'replace' ? 'replace' : 'create',
      tempDir,
      stateDir,
      now: () => new Date(),
      progress: silentProgress,
    })
    process.stdout.write('end\n')
  }),
)
