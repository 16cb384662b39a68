import { asError, errnoOf, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'

/** The operating system has refused something: rights, space, a disk that fails. No bug, whoever asked for it. */
export class SystemRefusedError extends OpsError {
  override readonly code: string
  override readonly exitCode: ExitCode

  constructor(message: string, { code, exitCode, hint }: Refusal, cause: Error) {
    super(message, { hint, cause })
    this.code = code
    this.exitCode = exitCode
  }
}

/** A refusal of the operating system that nobody has explained as one that can be acted upon; others as they are. */
export function explainedRefusal(thrown: unknown): unknown {
  if (thrown instanceof OpsError) return thrown
  const refusal = refusals.get(errnoOf(thrown) ?? '')
  const error = asError(thrown)
  if (refusal === undefined || !('syscall' in error) || typeof error.syscall !== 'string') return thrown
  if (error.syscall === 'listen' || error.syscall === 'bind')
    return new SystemRefusedError(`cannot listen${objectOf(error)}: ${refusal.reason}`, PORT_REFUSED, error)
  const action = ACTIONS.get(error.syscall) ?? error.syscall
  return new SystemRefusedError(`cannot ${action}${objectOf(error)}: ${refusal.reason}`, refusal, error)
}

interface Refusal {
  readonly code: string
  readonly exitCode: ExitCode
  readonly reason: string
  readonly hint: string
}

const NOT_ALLOWED: Refusal = {
  code: 'PERMISSION_DENIED',
  exitCode: ExitCode.notAllowed,
  reason: 'permission denied',
  hint: 'run as a user that may, such as the owner of the files',
}
const PORT_REFUSED: Refusal = { ...NOT_ALLOWED, hint: 'name another port: those below 1024 need more rights' }
const FULL: Refusal = {
  code: 'DISK_FULL',
  exitCode: ExitCode.failed,
  reason: 'no space left',
  hint: 'free some space, or name another folder for temporary files with --temp-dir',
}

const refusals: ReadonlyMap<string, Refusal> = new Map([
  ['EACCES', NOT_ALLOWED],
  ['EPERM', NOT_ALLOWED],
  [
    'EROFS',
    {
      code: 'FILE_SYSTEM_READ_ONLY',
      exitCode: ExitCode.notAllowed,
      reason: 'the file system is read-only',
      hint: 'mount it for writing, or work on a copy',
    },
  ],
  ['ENOSPC', FULL],
  ['EDQUOT', FULL],
  [
    'EIO',
    {
      code: 'DISK_FAILS',
      exitCode: ExitCode.failed,
      reason: 'the disk fails',
      hint: 'look at the messages of the kernel (dmesg), and copy what can be copied to another disk',
    },
  ],
])

/** What system calls are called in a sentence; others by their own name. */
const ACTIONS: ReadonlyMap<string, string> = new Map([
  ['scandir', 'list'],
  ['opendir', 'list'],
  ['stat', 'look at'],
  ['lstat', 'look at'],
  ['statfs', 'look at'],
  ['realpath', 'look at'],
  ['mkdir', 'make'],
  ['mkdtemp', 'make a folder in'],
  ['unlink', 'delete'],
  ['rmdir', 'delete'],
  ['rm', 'delete'],
  ['fsync', 'save'],
  ['copyfile', 'copy'],
])

function objectOf(error: Error): string {
  if ('path' in error && typeof error.path === 'string') return ` ${error.path}`
  return 'port' in error && typeof error.port === 'number' ? ` on port ${error.port}` : ''
}
