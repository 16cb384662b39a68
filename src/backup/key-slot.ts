import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  randomBytes,
  scrypt,
  type KeyObject,
} from 'node:crypto'

import * as v from 'valibot'

import { isMismatch, KEY_BYTES } from './cipher.js'
import type { RepositoryKey } from './key-file.js'
import { FORMAT } from './manifest.js'
import { digestSchema } from './object-reference.js'
import { sealJson, unsealJson } from './sealed-json.js'

const SALT_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** 128 MiB and a third of a second for each attempt. */
const SCRYPT: ScryptCost = { N: 2 ** 17, r: 8, p: 1 }
/** A slot must not make whoever opens it run out of memory. */
const MOST_MEMORY = 1024 * 1024 * 1024

interface ScryptCost {
  readonly N: number
  readonly r: number
  readonly p: number
}

const hex = (bytes: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`)))
const whole = (least: number, most: number) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most))

const common = {
  format: v.literal(FORMAT),
  repository: digestSchema,
  slot: v.pipe(v.string(), v.regex(/^[0-9a-f]{8}$/)),
  label: v.pipe(v.string(), v.regex(/^[^\p{Cc}]{1,64}$/u)),
  created: v.pipe(v.string(), v.isoTimestamp()),
  salt: hex(SALT_BYTES),
  nonce: hex(NONCE_BYTES),
  wrapped: hex(KEY_BYTES + TAG_BYTES),
}

const cost = v.pipe(
  v.object({ name: v.literal('scrypt'), N: whole(2 ** 14, 2 ** 22), r: whole(1, 64), p: whole(1, 16) }),
  v.check(({ N, r }) => Number.isInteger(Math.log2(N)) && 128 * N * r <= MOST_MEMORY),
)

const slotSchema = v.variant('kind', [
  v.object({ ...common, kind: v.literal('passphrase'), kdf: cost }),
  v.object({ ...common, kind: v.literal('key-file'), kdf: v.object({ name: v.literal('hkdf-sha256') }) }),
])

/** The master key of a repository, wrapped by one passphrase or key file (`keys/<slot>.json`). */
export type KeySlot = v.InferOutput<typeof slotSchema>

export function slotKey(slot: string): string {
  return `keys/${slot}.json`
}

export interface NewSlot {
  /** Its id. */
  readonly repository: string
  readonly master: KeyObject
  readonly key: RepositoryKey
  /** 1 to 64 characters. */
  readonly label: string
  readonly now: Date
}

export async function wrapMaster({ repository, master, key, label, now }: NewSlot): Promise<KeySlot> {
  const salt = randomBytes(SALT_BYTES)
  const nonce = randomBytes(NONCE_BYTES)
  const slot = {
    format: FORMAT,
    repository,
    slot: randomBytes(4).toString('hex'),
    label,
    created: now.toISOString(),
    ...(key.kind === 'passphrase'
      ? { kind: key.kind, kdf: { name: 'scrypt' as const, ...SCRYPT } }
      : { kind: key.kind, kdf: { name: 'hkdf-sha256' as const } }),
    salt: salt.toString('hex'),
    nonce: nonce.toString('hex'),
    wrapped: '',
  }
  const cipher = createCipheriv('aes-256-gcm', await wrappingKey(slot, key), nonce)
  cipher.setAAD(additionalData(slot))
  const wrapped = Buffer.concat([cipher.update(master.export()), cipher.final(), cipher.getAuthTag()])
  return v.parse(slotSchema, { ...slot, wrapped: wrapped.toString('hex') })
}

/** Null: the slot is for another key. */
export async function unwrapMaster(slot: KeySlot, key: RepositoryKey): Promise<KeyObject | null> {
  if (slot.kind !== key.kind) return null
  const wrapped = Buffer.from(slot.wrapped, 'hex')
  const decipher = createDecipheriv(
    'aes-256-gcm',
    await wrappingKey(slot, key),
    Buffer.from(slot.nonce, 'hex'),
    { authTagLength: TAG_BYTES },
  )
  decipher.setAAD(additionalData(slot))
  decipher.setAuthTag(wrapped.subarray(-TAG_BYTES))
  const master = decipher.update(wrapped.subarray(0, -TAG_BYTES))
  try {
    decipher.final()
  } catch (error) {
    if (!isMismatch(error)) throw error
    return null
  }
  return createSecretKey(master)
}

export function encodeSlot(slot: KeySlot): Buffer {
  return sealJson(slot)
}

/** Or the end of a sentence that says what is wrong with it. */
export function decodeSlot(bytes: Uint8Array): { readonly slot: KeySlot } | { readonly fault: string } {
  const unsealed = unsealJson(bytes)
  if ('damage' in unsealed) return { fault: unsealed.damage }
  const parsed = v.safeParse(slotSchema, unsealed.document)
  if (parsed.success) return { slot: parsed.output }
  return { fault: 'is not a key slot that this version knows' }
}

type Binding = Pick<KeySlot, 'repository' | 'slot' | 'label' | 'created' | 'kind'>

/** What a slot says about itself cannot be changed without its key. */
function additionalData({ repository, slot, kind, label, created }: Binding): Buffer {
  return Buffer.from(['chroma-ops slot', repository, slot, kind, label, created].join('\n'), 'utf8')
}

type Derivation = Pick<KeySlot, 'kdf' | 'salt'>

async function wrappingKey({ kdf, salt }: Derivation, { secret }: RepositoryKey): Promise<Buffer> {
  const saltBytes = Buffer.from(salt, 'hex')
  if (kdf.name === 'hkdf-sha256')
    return Buffer.from(hkdfSync('sha256', secret, saltBytes, 'chroma-ops slot', KEY_BYTES))
  const { N, r, p } = kdf
  // The default of Node allows 32 MiB.
  const options = { N, r, p, maxmem: 128 * N * r * 2 }
  return new Promise((resolve, reject) => {
    scrypt(secret.export(), saltBytes, KEY_BYTES, options, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}
