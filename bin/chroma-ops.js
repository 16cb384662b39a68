#!/usr/bin/env node
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`error: chroma-ops needs Node 20.19 or newer; this is ${process.versions.node}\n`)
  process.exitCode = 1
} else {
  const { main } = await import('../dist/cli.js')
  process.exitCode = await main(process.argv.slice(2))
  // The code of a migration may leave timers and connections behind, which would keep the process alive.
  setTimeout(() => process.exit(), 1000).unref()
}
