import { open, type FileHandle } from 'node:fs/promises'

/** Bytes to write over a copy of a file. */
export interface BinaryPatch {
  readonly offset: number
  readonly bytes: Uint8Array
}

/** The shared library cannot be made to load on this glibc; the message names what stands in the way. */
export class RelaxationRefused extends Error {}

/**
 * What to change in a copy of a shared library so that it loads on glibc 2.`minor`. Empty when it loads as
 * it is. Only two changes are ever made, both without effect on what the code computes:
 * - symbols `__isoc23_X` become `X`. They differ only in that the C23 ones also read binary literals (`0b1`);
 * - versions that only weak symbols ask for become optional, and the code copes with an absent weak symbol.
 * Rejects with {@link RelaxationRefused} for anything else that this glibc lacks.
 */
export async function planRelaxation(file: string, minor: number): Promise<readonly BinaryPatch[]> {
  const handle = await open(file, 'r')
  try {
    return relax(await readDynamicSymbols(handle), minor)
  } finally {
    await handle.close()
  }
}

interface Section {
  readonly type: number
  readonly offset: number
  readonly link: number
  readonly entries: number
  readonly bytes: Buffer
}

interface DynamicSymbols {
  readonly machine: number
  readonly symbols: Section
  readonly symbolVersions: Section
  readonly neededVersions: Section
  readonly strings: Buffer
}

const SECTION = { symbols: 11, neededVersions: 0x6ffffffe, symbolVersions: 0x6fffffff } as const
const ELF64_LITTLE_ENDIAN = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1])
const MACHINE_X86_64 = 62
const WEAK_VERSION = 2
const WEAK_SYMBOL = 2
const SYMBOL_BYTES = 24
const C23_PREFIX = '__isoc23_'

async function readDynamicSymbols(handle: FileHandle): Promise<DynamicSymbols> {
  const header = await readAt(handle, 0, 64)
  if (!header.subarray(0, 6).equals(ELF64_LITTLE_ENDIAN))
    throw new RelaxationRefused('it is not a 64-bit little-endian ELF file')
  const entryBytes = header.readUInt16LE(0x3a)
  const count = header.readUInt16LE(0x3c)
  const table = await readAt(handle, Number(header.readBigUInt64LE(0x28)), entryBytes * count)
  const section = async (type: number, at?: number): Promise<Section> => {
    for (let index = at ?? 0; index < count; index++) {
      const entry = table.subarray(index * entryBytes, (index + 1) * entryBytes)
      if (at === undefined && entry.readUInt32LE(4) !== type) continue
      const offset = Number(entry.readBigUInt64LE(24))
      const bytes = await readAt(handle, offset, Number(entry.readBigUInt64LE(32)))
      return { type, offset, link: entry.readUInt32LE(40), entries: entry.readUInt32LE(44), bytes }
    }
    throw new RelaxationRefused('it has no table of versioned symbols')
  }
  const symbols = await section(SECTION.symbols)
  return {
    machine: header.readUInt16LE(18),
    symbols,
    symbolVersions: await section(SECTION.symbolVersions),
    neededVersions: await section(SECTION.neededVersions),
    strings: (await section(0, symbols.link)).bytes,
  }
}

function relax(elf: DynamicSymbols, minor: number): BinaryPatch[] {
  const { tooNew, oldest } = neededVersions(elf, minor)
  const patches = [...tooNew.values()].map(({ offset, flags }) => ({
    offset,
    bytes: u16(flags | WEAK_VERSION),
  }))
  const { bytes: symbols, offset: symbolsOffset } = elf.symbols
  for (let index = 0; (index + 1) * SYMBOL_BYTES <= symbols.length; index++) {
    const version = elf.symbolVersions.bytes.readUInt16LE(index * 2) & 0x7fff
    const needed = tooNew.get(version)
    if (needed === undefined) continue
    const at = index * SYMBOL_BYTES
    const nameAt = symbols.readUInt32LE(at)
    const name = stringAt(elf.strings, nameAt)
    if (name.startsWith(C23_PREFIX) && oldest !== undefined) {
      // The old name is the tail of the new one, so the string table can stay as it is.
      patches.push({ offset: symbolsOffset + at, bytes: u32(nameAt + C23_PREFIX.length) })
      patches.push({ offset: elf.symbolVersions.offset + index * 2, bytes: u16(oldest) })
    } else if (symbols.readUInt8(at + 4) >> 4 !== WEAK_SYMBOL) {
      throw new RelaxationRefused(`it needs ${name} of ${needed.name}`)
    }
  }
  return patches
}

interface NeededVersion {
  readonly name: string
  /** Of the flags of the version, in the file. */
  readonly offset: number
  readonly flags: number
}

/** Versions of glibc above 2.`minor` by their index, and the index of the oldest version of libc itself. */
function neededVersions(elf: DynamicSymbols, minor: number) {
  const { bytes, offset, entries } = elf.neededVersions
  const tooNew = new Map<number, NeededVersion>()
  const oldestName = elf.machine === MACHINE_X86_64 ? 'GLIBC_2.2.5' : 'GLIBC_2.17'
  let oldest: number | undefined
  let at = 0
  for (let library = 0; library < entries; library++) {
    const isLibc = stringAt(elf.strings, bytes.readUInt32LE(at + 4)).startsWith('libc.so')
    let version = at + bytes.readUInt32LE(at + 8)
    for (let left = bytes.readUInt16LE(at + 2); left > 0; left--) {
      const name = stringAt(elf.strings, bytes.readUInt32LE(version + 8))
      const index = bytes.readUInt16LE(version + 6)
      const flags = bytes.readUInt16LE(version + 4)
      if (Number(/^GLIBC_2\.(\d+)/.exec(name)?.[1] ?? 0) > minor)
        tooNew.set(index, { name, offset: offset + version + 4, flags })
      else if (isLibc && name === oldestName) oldest = index
      version += bytes.readUInt32LE(version + 12)
    }
    at += bytes.readUInt32LE(at + 12)
  }
  return { tooNew, oldest }
}

function stringAt(strings: Buffer, offset: number): string {
  return strings.toString('latin1', offset, strings.indexOf(0, offset))
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position)
  if (bytesRead < length) throw new RelaxationRefused('it is shorter than its own tables say')
  return buffer
}

function u16(value: number): Uint8Array {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
