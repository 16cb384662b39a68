import { expect } from '@jest/globals'

import { runJson } from './outcomes.js'

/** Backs up a server; returns the id of the new backup. */
export async function backUp(url: string, repo: string, ...flags: readonly string[]): Promise<string> {
  const document = await runJson(['backup', '--url', url, '--repo', repo, '--init', ...flags])
  return idOf(document['backup'])
}

/** Ids of the backups that a repository lists, newest first; fails the test if one is not whole. */
export async function listedBackups(repo: string, ...flags: readonly string[]): Promise<string[]> {
  const { backups } = await runJson(['backup', 'list', '--repo', repo, ...flags])
  if (!Array.isArray(backups)) throw new Error('no list of backups')
  return backups.map((backup: unknown) => {
    expect(backup).toMatchObject({ damaged: null, status: 'complete' })
    return idOf(backup)
  })
}

/** Reads every record of every listed backup and expects it to be what was written. */
export async function expectSound(repo: string, ...flags: readonly string[]): Promise<void> {
  const document = await runJson(['backup', 'verify', '--depth', 'records', '--repo', repo, ...flags])
  expect(document).toMatchObject({ status: 'ok', unreadable: [] })
}

/** Expects the newest backup to be equal to a server, as chroma-ops itself compares. */
export async function expectEqual(url: string, repo: string, ...flags: readonly string[]): Promise<void> {
  const { status } = await runJson(['backup', 'verify', '--against', url, '--repo', repo, ...flags])
  expect(status).toBe('equal')
}

export function idOf(backup: unknown): string {
  if (typeof backup !== 'object' || backup === null || !('id' in backup)) throw new Error('not a backup')
  return String(backup.id)
}
