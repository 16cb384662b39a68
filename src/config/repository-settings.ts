import { UsageError } from '../core/errors.js'
import { value } from './setting.js'
import { nonEmpty, oneOf } from './values.js'

/** What opens an encrypted repository, and what a repository must be. */
export const repositorySettings = {
  passphraseFile: value(nonEmpty, {
    flags: '--passphrase-file <file>',
    environment: 'CHROMA_OPS_PASSPHRASE_FILE',
    key: 'passphrase_file',
    path: true,
    description: 'a file with the passphrase of the repository',
  }),
  passphraseCommand: value(nonEmpty, {
    flags: '--passphrase-command <command>',
    environment: 'CHROMA_OPS_PASSPHRASE_COMMAND',
    key: 'passphrase_command',
    description: 'a shell command that prints the passphrase',
  }),
  passphrase: value(nonEmpty, {
    environment: 'CHROMA_OPS_PASSPHRASE',
    secret: true,
    description: 'the passphrase of the repository',
  }),
  repoKeyFile: value(nonEmpty, {
    flags: '--repo-key-file <file>',
    environment: 'CHROMA_OPS_REPO_KEY_FILE',
    key: 'repo_key_file',
    path: true,
    description: 'a file with a key of the repository, from "repo key generate"',
  }),
  newPassphrase: value(nonEmpty, {
    environment: 'CHROMA_OPS_NEW_PASSPHRASE',
    secret: true,
    description: 'the passphrase that repo key add adds, or of the repository that repo copy writes to',
  }),
  encryption: value(oneOf('required'), {
    environment: 'CHROMA_OPS_ENCRYPTION',
    key: 'encryption',
    description: 'required: refuse a repository that is not encrypted',
  }),
  spoolDir: value(nonEmpty, {
    flags: '--spool-dir <folder>',
    environment: 'CHROMA_OPS_SPOOL_DIR',
    key: 'spool_dir',
    path: true,
    description: 'where backups wait while the repository is away or full; "repo push" moves them',
  }),
  repoId: value(repositoryIdOf, {
    environment: 'CHROMA_OPS_REPO_ID',
    key: 'repo_id',
    description: 'refuse any repository but the one with this id',
  }),
}

function repositoryIdOf(text: string): string {
  if (/^[0-9a-f]{32}$/.test(text)) return text
  throw new UsageError(`"${text}" is not the id of a repository`, {
    hint: '32 hexadecimal digits, as "chroma-ops repo init" prints them',
  })
}
