import { realpath, stat, statfs } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import { NotADataDirectoryError } from './errors.js'

/** Where a directory's files are. Sizes in bytes. */
export interface FileSystem {
  /** `nfs`, `ext4`; the number of the system where the name is not known. */
  readonly type: string
  /** Other machines may have the same files open, unseen from here. */
  readonly shared: boolean
  /** For a user without special rights. */
  readonly freeBytes: number
  readonly totalBytes: number
}

/** The file system that holds `directory`, which must exist. */
export async function fileSystemOf(directory: string): Promise<FileSystem> {
  const { type, bsize, bavail, blocks } = await statfs(directory)
  return {
    ...fileSystemType(type),
    freeBytes: bavail * bsize,
    totalBytes: blocks * bsize,
  }
}

/**
 * The directory by its own name, without symbolic links. Through `/proc/<process>/root`, as the files of a
 * container are reached from outside, names lead elsewhere; there it stays as it is. Rejects with a
 * {@link NotADataDirectoryError} where there is no directory.
 */
export async function realDirectory(directory: string): Promise<string> {
  const given = path.resolve(directory)
  const { dev, ino } = await statDirectory(given)
  try {
    const real = await realpath(given)
    const found = await stat(real)
    return found.dev === dev && found.ino === ino ? real : given
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return given
    throw error
  }
}

async function statDirectory(directory: string) {
  try {
    const found = await stat(directory)
    if (found.isDirectory()) return found
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
    throw new NotADataDirectoryError(directory, 'there is no such directory')
  }
  throw new NotADataDirectoryError(directory, 'it is not a directory')
}

/** What a type number of Linux's statfs(2) means. */
export function fileSystemType(number: number): Pick<FileSystem, 'type' | 'shared'> {
  // The numbers have 32 bits; some systems hand them out with a sign.
  const unsigned = number >>> 0
  const shared = SHARED.get(unsigned)
  if (shared !== undefined) return { type: shared, shared: true }
  return { type: LOCAL.get(unsigned) ?? `0x${unsigned.toString(16)}`, shared: false }
}

/** linux/magic.h and the manual page statfs(2). FUSE may be local, but nothing says so. */
const SHARED: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0x517b, 'smb'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x65735546, 'fuse'],
  [0x01021997, '9p'],
  [0x00c36400, 'ceph'],
  [0x0bd00bd0, 'lustre'],
  [0x47504653, 'gpfs'],
  [0x5346414f, 'afs'],
  [0x6b414653, 'kafs'],
  [0x01161970, 'gfs2'],
  [0x7461636f, 'ocfs2'],
  [0x786f4256, 'vboxsf'],
  [0x19830326, 'beegfs'],
  [0x73757245, 'coda'],
  [0x564c, 'ncp'],
  [0xbacbacbc, 'vmhgfs'],
])

const LOCAL: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x01021994, 'tmpfs'],
  [0x794c7630, 'overlay'],
  [0x2fc12fc1, 'zfs'],
  [0xf2f52010, 'f2fs'],
  [0xca451a4e, 'bcachefs'],
  [0x4d44, 'vfat'],
  [0x2011bab0, 'exfat'],
  [0x7366746e, 'ntfs3'],
])
