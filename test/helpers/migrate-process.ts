// Applies the migrations of a folder in a process of its own, for tests with several of them, or that kill one:
//   node --import ./test/helpers/run-typescript.js migrate-process.ts <url> <database> <folder>
// Writes "started <title>" at each step, and at the end the result as one line of JSON.
import { writeSync } from 'node:fs'
import path from 'node:path'

import { OpsError } from '../../src/core/errors.js'
import { Migrator } from '../../src/migrator.js'

const [url = '', database = '', folder = ''] = process.argv.slice(2)
const migrator = new Migrator({
  url,
  database,
  directory: path.join(folder, 'migrations'),
  cacheDir: path.join(folder, 'cache'),
  tempDir: folder,
  lock: { waitMs: Infinity },
  on: { step: ({ state, title }) => say(`${state} ${title}`) },
})
try {
  const { error, migrations, warnings } = await migrator.up({ skipBackup: true, adopt: true })
  const versions = migrations.map(({ version, status }) => `${version} ${status}`)
  say(JSON.stringify({ error: error?.message ?? null, versions, warnings: warnings.map(({ code }) => code) }))
} catch (error) {
  if (!(error instanceof OpsError)) throw error
  say(JSON.stringify({ error: error.message, versions: [], warnings: [] }))
} finally {
  await migrator.close()
}

function say(line: string): void {
  writeSync(1, `${line}\n`)
}
