// Fails when an installed package refuses the Node in use, or the oldest Node that chroma-ops itself promises to
// run on. npm only warns of the first and says nothing of the second. Checks this project, or the folder that is named.
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import semver from 'semver'

const root = process.argv[2] ?? fileURLToPath(new URL('../', import.meta.url))
const own = readJson('package.json')
const { packages } = readJson('package-lock.json')

const runtimes = [process.version, semver.minVersion(own.engines.node).version]
const refusals = Object.entries(packages)
  .filter(([folder]) => folder !== '' && existsSync(resolve(root, folder, 'package.json')))
  .flatMap(([folder]) => refusedBy(folder, readJson(`${folder}/package.json`)))

for (const refusal of refusals) console.error(refusal)
if (refusals.length > 0) process.exitCode = 1
else console.log(`every installed package accepts Node ${runtimes.join(' and ')}`)

function refusedBy(folder, { name, version, engines }) {
  const range = engines?.node
  if (typeof range !== 'string') return []
  return runtimes
    .filter((runtime) => !semver.satisfies(runtime, range, { includePrerelease: true }))
    .map((runtime) => `${name} ${version} (${folder}) wants Node ${range}, which leaves out ${runtime}`)
}

function readJson(path) {
  return JSON.parse(readFileSync(resolve(root, path), 'utf8'))
}
