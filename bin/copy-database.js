// Copies a database file that another process keeps from changing:
//   node copy-database.js <source> <target>
// It is a process of its own because of POSIX: a process that opens and closes a file loses all locks that it
// holds on it. Lines on stdin and stdout:
//   (start)  copies ahead, while the file may still change          → "ready <bytes>"
//   "go"     makes the copy equal to the file as it is now          → "done <bytes written> still"
//            or "… moved": it was written to meanwhile
// The end of stdin ends it. What is copied ahead need not be written while somebody waits for the lock.
import {
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs'
import { createInterface } from 'node:readline'

const PIECE = 1024 * 1024
const [source, target] = process.argv.slice(2)
/** Times of files are as coarse as a tick of the kernel: what was written a moment ago may be written again. */
const RACY_NS = 50_000_000n
/** What the file was like before the copy was made; null when that tells nothing. */
let copied = null
/** Until it was found out that the file system cannot; a failed trial removes the target. */
let sharesBlocks = true

attempt(() => `ready ${copyAhead()}`)
createInterface({ input: process.stdin })
  .on('line', (line) => {
    if (line === 'go') attempt(copyLocked)
  })
  .on('close', () => process.exit(0))

function copyAhead() {
  const before = stampOf()
  const written = copy()
  copied = before.isOld ? before.text : null
  return written
}

function copyLocked() {
  const before = stampOf()
  const written = before.text === copied ? 0 : copy()
  return `done ${written} ${stampOf().text === before.text ? 'still' : 'moved'}`
}

/** Changes whenever somebody writes; bytes 24 to 27 are SQLite's count of transactions. */
function stampOf() {
  const file = openSync(source, 'r')
  try {
    const { ino, size, mtimeNs, ctimeNs } = fstatSync(file, { bigint: true })
    const count = Buffer.alloc(4)
    readSync(file, count, 0, 4, 24)
    const now = BigInt(Date.now()) * 1_000_000n
    return {
      text: `${ino} ${size} ${mtimeNs} ${ctimeNs} ${count.toString('hex')}`,
      isOld: mtimeNs < now - RACY_NS && ctimeNs < now - RACY_NS,
    }
  } finally {
    closeSync(file)
  }
}

function attempt(work) {
  try {
    writeSync(1, `${work()}\n`)
  } catch (error) {
    writeSync(1, `failed ${error.code ?? 'UNKNOWN'} ${error.message}\n`)
  }
}

/** Bytes written; none where the file system shares the blocks of both files. */
function copy() {
  if (sharesBlocks) {
    try {
      copyFileSync(source, target, constants.COPYFILE_FICLONE_FORCE)
      return 0
    } catch {
      sharesBlocks = false
    }
  }
  return update()
}

/** Writes only the pieces that differ. */
function update() {
  const from = openSync(source, 'r')
  const to = openSync(target, constants.O_RDWR | constants.O_CREAT, 0o600)
  try {
    const { size } = fstatSync(from)
    const [wanted, present] = [Buffer.allocUnsafe(PIECE), Buffer.allocUnsafe(PIECE)]
    let written = 0
    for (let at = 0; at < size; at += PIECE) {
      const piece = read(from, wanted, at)
      if (piece.equals(read(to, present, at))) continue
      for (let done = 0; done < piece.length;)
        done += writeSync(to, piece, done, piece.length - done, at + done)
      written += piece.length
    }
    ftruncateSync(to, size)
    return written
  } finally {
    closeSync(from)
    closeSync(to)
  }
}

function read(file, buffer, at) {
  let length = 0
  while (length < buffer.length) {
    const got = readSync(file, buffer, length, buffer.length - length, at + length)
    if (got === 0) break
    length += got
  }
  return buffer.subarray(0, length)
}
