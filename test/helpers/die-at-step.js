// Kills the process it is loaded into (SIGKILL) right before a step that changes what is below a folder:
//   DIE_BELOW=<folder> DIE_AT=<number> node --import ./test/helpers/die-at-step.js program.js
// Without DIE_AT it writes the number of steps to the file DIE_COUNT when the process ends. Steps are renames,
// removals, new folders and syncs; from the first step of a swap on, if DIE_FROM names a file: the step that
// puts it in place.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import path from 'node:path'

const { DIE_BELOW, DIE_AT, DIE_COUNT, DIE_FROM } = process.env
let steps = 0
let counting = DIE_FROM === undefined

function step(...files) {
  if (!files.some((file) => typeof file === 'string' && (file + path.sep).startsWith(DIE_BELOW + path.sep)))
    return
  if (files.some((file) => path.basename(file) === DIE_FROM)) counting = true
  if (!counting) return
  steps++
  if (steps === Number(DIE_AT)) process.kill(process.pid, 'SIGKILL')
}

for (const name of ['rename', 'rm', 'mkdir', 'rmdir']) {
  const original = fs.promises[name]
  fs.promises[name] = (...args) => {
    step(...args.filter((argument) => typeof argument === 'string'))
    return original(...args)
  }
}
const { open } = fs.promises
fs.promises.open = async (file, ...rest) => {
  const handle = await open(file, ...rest)
  const { sync } = handle
  handle.sync = () => {
    step(file)
    return sync.call(handle)
  }
  return handle
}
syncBuiltinESMExports()

process.on('exit', () => {
  if (DIE_COUNT !== undefined) fs.writeFileSync(DIE_COUNT, String(steps))
})
