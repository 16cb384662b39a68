// Runs the suites that want a Chroma server of the 1.0 line, which no installed package brings along:
// fetches it as a package (110 MB) into .cache/servers, once.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'

const VERSION = '1.0.5'
const NAMES = {
  'linux-x64': 'chromadb-js-bindings-linux-x64-gnu',
  'linux-arm64': 'chromadb-js-bindings-linux-arm64-gnu',
  'darwin-x64': 'chromadb-js-bindings-darwin-x64',
  'darwin-arm64': 'chromadb-js-bindings-darwin-arm64',
}

const root = path.resolve(import.meta.dirname, '..')
const name = NAMES[`${process.platform}-${process.arch}`]
if (name === undefined) {
  console.log(`skipped: there is no Chroma ${VERSION} for ${process.platform} on ${process.arch}`)
} else {
  const prefix = path.join(root, '.cache', 'servers', VERSION)
  if (!existsSync(path.join(prefix, 'node_modules', name)))
    run('npm', [
      'install',
      '--prefix',
      prefix,
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      `${name}@${VERSION}`,
    ])
  run(process.execPath, [
    '--experimental-vm-modules',
    '--no-warnings',
    path.join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
    'old-server',
    ...process.argv.slice(2),
  ])
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}
