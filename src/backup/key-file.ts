import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto'

import { KEY_BYTES } from './cipher.js'
import { KeyRefusedError } from './key-errors.js'

const MIN_PASSPHRASE = 8
const MIN_DISTINCT_BYTES = 12

/** What opens a repository. Held so that nothing prints it. */
export interface RepositoryKey {
  readonly kind: 'passphrase' | 'key-file'
  readonly secret: KeyObject
  /** Where it came from, for messages: `--passphrase-file`. */
  readonly source: string
}

/**
 * White space at its ends does not count; Unicode is brought into one form (NFC), for keyboards differ. Throws a
 * {@link KeyRefusedError} when it is empty.
 */
export function passphraseKey(text: string, source: string): RepositoryKey {
  const passphrase = text.trim().normalize('NFC')
  if (passphrase === '') throw new KeyRefusedError(`${source}: the passphrase is empty`)
  return { kind: 'passphrase', secret: createSecretKey(Buffer.from(passphrase, 'utf8')), source }
}

/** Throws a {@link KeyRefusedError} when a new slot must not rely on it. */
export function refuseWeak({ kind, secret, source }: RepositoryKey): void {
  if (kind !== 'passphrase' || (secret.symmetricKeySize ?? 0) >= MIN_PASSPHRASE) return
  throw new KeyRefusedError(`${source}: the passphrase has less than ${MIN_PASSPHRASE} bytes`, {
    hint: 'take several words; whoever can read the bucket can try out passphrases',
  })
}

/** The text of a new key file: lines that begin with `#`, and 64 hexadecimal digits. */
export function newKeyFile(now: Date): string {
  const lines = [
    '# chroma-ops repository key',
    `# created: ${now.toISOString()}`,
    '# whoever has this file can read the backups; without it, or another key, nobody can',
    randomBytes(KEY_BYTES).toString('hex'),
  ]
  return `${lines.join('\n')}\n`
}

/** Throws a {@link KeyRefusedError}: a key is never made longer, or taken for what it is not. */
export function parseKeyFile(text: string, source: string): RepositoryKey {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  const [digits = ''] = lines
  if (lines.length !== 1 || !/^[0-9a-fA-F]{64}$/.test(digits)) {
    throw new KeyRefusedError(`${source}: this is not a key of 32 bytes, written as 64 hexadecimal digits`, {
      hint: 'make one with "chroma-ops repo key generate FILE"',
    })
  }
  const bytes = Buffer.from(digits, 'hex')
  if (new Set(bytes).size < MIN_DISTINCT_BYTES)
    throw new KeyRefusedError(`${source}: this key is not random`, {
      hint: 'make one with "chroma-ops repo key generate FILE"',
    })
  return { kind: 'key-file', secret: createSecretKey(bytes), source }
}
