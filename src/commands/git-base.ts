import { execFile } from 'node:child_process'
import path from 'node:path'

import { asError, isErrno, UsageError } from '../core/errors.js'
import type { LintBase } from '../migrations/lint/lint-base.js'

/** Enough for the largest file that a migration could be. */
const MAX_OUTPUT = 64 * 1024 * 1024

/**
 * The files of a git ref, at the point where this branch has left it. Rejects with a UsageError when the
 * folder is not below a repository, or the ref is not known.
 */
export async function gitBase(dir: string, ref: string, signal: AbortSignal): Promise<LintBase> {
  const git = (...words: readonly string[]) => runGit(dir, words, signal)
  if (ref.startsWith('-')) throw new UsageError(`--base: "${ref}" is not a git ref`)
  // Relative, so that paths stay those that `dir` leads to, through whatever links.
  const top = path.resolve(dir, (await git('rev-parse', '--show-cdup')).trim())
  const commit = (await git('merge-base', 'HEAD', ref)).trim()
  const listed = await git('ls-tree', '-z', '--name-only', commit, './')
  const differing = await git('diff', '-z', '--name-only', commit)
  const untracked = await git('ls-files', '-z', '--others', '--exclude-standard', '--full-name', ':/')
  const files = namesIn(listed).map((name) => path.basename(name))
  return {
    ref,
    files,
    changed: new Set([...namesIn(differing), ...namesIn(untracked)].map((name) => path.join(top, name))),
    read: async (name) => (files.includes(name) ? git('show', `${commit}:./${name}`) : null),
  }
}

function namesIn(text: string): readonly string[] {
  return text.split('\0').filter((name) => name !== '')
}

async function runGit(cwd: string, words: readonly string[], signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('git', words, { cwd, signal, maxBuffer: MAX_OUTPUT }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else if (signal.aborted) reject(asError(signal.reason))
      else reject(refused(words, error, stderr, cwd))
    })
  })
}

function refused(words: readonly string[], error: Error, stderr: string, cwd: string): UsageError {
  if (isErrno(error, 'ENOENT')) {
    return new UsageError(`--base needs git, and the folder ${cwd}`, { cause: error })
  }
  const [said = ''] = stderr.trim().split('\n', 1)
  const hint = 'name a branch or a commit that is here; in CI, fetch it first (a shallow clone lacks it)'
  return new UsageError(`--base: git ${words[0] ?? ''}: ${said === '' ? 'no common commit' : said}`, {
    hint,
    cause: error,
  })
}
