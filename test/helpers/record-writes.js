// Records what a process does to the files below a folder, for tests that cut the power:
//   RECORD_WRITES_BELOW=<folder> RECORD_WRITES_TO=<file> node --import ./test/helpers/record-writes.js program.js
// Writes one JSON document to the file when the process ends: a list of steps, see disk-history.ts.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import path from 'node:path'

const below = process.env.RECORD_WRITES_BELOW + path.sep
const steps = []
const names = new WeakMap()
const { open, rename, link, mkdir, rm } = fs.promises
let files = 0

const isOurs = (file) => typeof file === 'string' && (file + path.sep).startsWith(below)
const relative = (file) => path.relative(below, file)

fs.promises.open = async (file, ...rest) => {
  const handle = await open(file, ...rest)
  if (!isOurs(file)) return handle
  if ((await handle.stat()).isDirectory()) names.set(handle, { folder: relative(file) })
  else if (rest[0] !== undefined && rest[0] !== 'r' && typeof rest[0] === 'string') {
    names.set(handle, { file: ++files })
    steps.push({ step: 'create', file: files, name: relative(file) })
  }
  return handle
}
fs.promises.rename = async (from, to) => {
  await rename(from, to)
  if (isOurs(to)) steps.push({ step: 'rename', from: relative(from), to: relative(to) })
}
fs.promises.link = async (from, to) => {
  await link(from, to)
  if (isOurs(to)) steps.push({ step: 'link', from: relative(from), to: relative(to) })
}
fs.promises.mkdir = async (folder, ...rest) => {
  const made = await mkdir(folder, ...rest)
  if (isOurs(folder)) steps.push({ step: 'mkdir', name: relative(folder) })
  return made
}
fs.promises.rm = async (file, ...rest) => {
  const wasThere = fs.existsSync(file)
  await rm(file, ...rest)
  if (isOurs(file) && wasThere) steps.push({ step: 'remove', name: relative(file) })
}
syncBuiltinESMExports()

const probe = await open(process.execPath, 'r')
const prototype = Object.getPrototypeOf(probe)
await probe.close()
const { write, writeFile, sync } = prototype

prototype.write = async function (bytes, offset, length, ...rest) {
  const result = await write.call(this, bytes, offset, length, ...rest)
  const known = names.get(this)
  if (known?.file !== undefined) {
    const written = Buffer.from(bytes).subarray(offset, offset + result.bytesWritten)
    steps.push({ step: 'write', file: known.file, bytes: written.toString('base64') })
  }
  return result
}
prototype.writeFile = async function (content, ...rest) {
  await writeFile.call(this, content, ...rest)
  const known = names.get(this)
  if (known?.file !== undefined)
    steps.push({ step: 'write', file: known.file, bytes: Buffer.from(content).toString('base64') })
}
prototype.sync = async function () {
  const known = names.get(this)
  // Durable is what was there when the call began, and only when it has ended.
  const since = steps.length
  await sync.call(this)
  if (known !== undefined) steps.push({ step: 'sync', since, ...known })
}

process.on('exit', () => fs.writeFileSync(process.env.RECORD_WRITES_TO, JSON.stringify(steps)))
