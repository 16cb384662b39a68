import { createHash } from 'node:crypto'

import type { Database } from './sqlite.js'

/** The folders of migrations, as the table `migrations` names them. */
const DIRECTORIES = ['sysdb', 'metadb', 'embeddings_queue'] as const

/**
 * Why a server would refuse the list of applied migrations; empty when it would not. A server compares every
 * row with the file of the same version that it brings, by hash.
 */
export function inspectMigrations(database: Database): readonly string[] {
  const rows = database.all('SELECT dir, version, filename, sql, hash FROM migrations ORDER BY dir, version')
  const problems: string[] = []
  for (const directory of DIRECTORIES) {
    const versions = rows.filter(({ dir }) => dir === directory).map(({ version }) => Number(version))
    const [gap] = versions.filter((version, index) => version !== index + 1)
    if (versions.length === 0) problems.push(`${directory}: none was applied`)
    if (gap !== undefined) problems.push(`${directory}: the one before ${gap} is missing`)
  }
  for (const { dir, filename, sql, hash } of rows) {
    const text = String(sql)
    if (!['md5', 'sha256'].some((name) => createHash(name).update(text).digest('hex') === hash))
      problems.push(`${String(dir)}/${String(filename)} does not match its hash`)
  }
  return problems
}
