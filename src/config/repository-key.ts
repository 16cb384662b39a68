import { catalogue } from './catalogue.js'
import type { CredentialsJob } from './credentials.js'
import { readSecret, readSecretText, refuseUntrusted, runForSecret, strongest } from './secrets.js'
import { sourceText } from './setting.js'
import type { Settings } from './settings.js'

/** What a repository is opened with, as it was given. */
export interface GivenKey {
  readonly kind: 'passphrase' | 'key-file'
  /** The passphrase, or the text of the key file: secret. */
  readonly text: string
  /** Where it came from: `--passphrase-file`. */
  readonly source: string
}

/** The setting that gives a key, by its source; null when none does. */
export function keySource(settings: Settings): string | null {
  const chosen = strongest(ways, settings, 'a key of the repository')
  return chosen === undefined ? null : sourceText(settings.source(chosen))
}

/** Reads the file, or runs the command. Null when no key is given. */
export async function resolveRepositoryKey(job: CredentialsJob): Promise<GivenKey | null> {
  const { settings } = job
  const chosen = strongest(ways, settings, 'a key of the repository')
  if (chosen === undefined) return null
  const text = settings.value(chosen) ?? ''
  const source = sourceText(settings.source(chosen))
  if (chosen === passphrase) return { kind: 'passphrase', text, source }
  const name = refuseUntrusted(chosen, settings)
  if (chosen === passphraseFile) return { kind: 'passphrase', text: await readSecret(text, name), source }
  if (chosen === repoKeyFile) return { kind: 'key-file', text: await readSecretText(text, name), source }
  return { kind: 'passphrase', text: await runForSecret(text, name, job), source }
}

export interface NewKeyFlags {
  readonly newPassphraseFile?: string
  readonly newPassphraseCommand?: string
  readonly newKeyFile?: string
}

/** The key of `--new-…`, or of `CHROMA_OPS_NEW_PASSPHRASE`. The caller lets at most one of the flags through. */
export async function resolveNewKey(flags: NewKeyFlags, job: CredentialsJob): Promise<GivenKey | null> {
  const { newPassphraseFile, newPassphraseCommand, newKeyFile } = flags
  if (newPassphraseFile !== undefined) {
    const source = '--new-passphrase-file'
    return { kind: 'passphrase', text: await readSecret(newPassphraseFile, source), source }
  }
  if (newPassphraseCommand !== undefined) {
    const source = '--new-passphrase-command'
    return { kind: 'passphrase', text: await runForSecret(newPassphraseCommand, source, job), source }
  }
  if (newKeyFile !== undefined) {
    const source = '--new-key-file'
    return { kind: 'key-file', text: await readSecretText(newKeyFile, source), source }
  }
  const text = job.settings.value(catalogue.newPassphrase)
  const source = sourceText(job.settings.source(catalogue.newPassphrase))
  return text === null ? null : { kind: 'passphrase', text, source }
}

const { passphraseFile, passphraseCommand, passphrase, repoKeyFile } = catalogue
const ways = [passphraseFile, passphraseCommand, passphrase, repoKeyFile]
