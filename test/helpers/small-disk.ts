import { spawn } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { runNow } from './run-now.js'

/** Whether this machine lets us mount a file system of our own. */
export const canMount =
  runNow('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=1m tmpfs /mnt && test -r /proc/self/root'])
    .status === 0

export interface SmallDisk {
  /** A folder on the disk. */
  readonly path: string
  readonly size: number
  /** Leaves so many bytes free, at most; more than there are frees all that was taken. */
  leave(bytes: number): Promise<void>
  unmount(): Promise<void>
}

/** A file system of `size` bytes in memory. It exists in a process that holds it, and is seen through it. */
export async function mountSmallDisk(folder: string, size: number): Promise<SmallDisk> {
  await mkdir(folder, { recursive: true })
  const script = `mount -t tmpfs -o size=${size} tmpfs "$1" && echo mounted && exec cat`
  const holder = spawn('unshare', ['-rm', 'sh', '-c', script, 'sh', folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const gone = new Promise<void>((resolve) => holder.once('exit', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    holder.stdout.once('data', () => resolve())
    void gone.then(() => reject(new Error('the disk could not be mounted')))
  })
  const seen = path.join(`/proc/${holder.pid ?? 0}/root`, folder)
  const ballast = path.join(seen, 'ballast')
  return {
    path: seen,
    size,
    async leave(bytes) {
      await rm(ballast, { force: true })
      const free = freeBytes(seen)
      if (free > bytes) await writeFile(ballast, Buffer.alloc(free - bytes, 1))
    },
    async unmount() {
      holder.stdin.end()
      await gone
      await rm(folder, { recursive: true })
    },
  }
}

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}
