import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

import * as v from 'valibot'

const file = v.number()
const stepsSchema = v.array(
  v.variant('step', [
    v.object({ step: v.literal('create'), file, name: v.string() }),
    v.object({ step: v.literal('write'), file, bytes: v.string() }),
    // Of what was done before step number `since`.
    v.object({
      step: v.literal('sync'),
      since: v.number(),
      file: v.optional(file),
      folder: v.optional(v.string()),
    }),
    v.object({ step: v.literal('rename'), from: v.string(), to: v.string() }),
    v.object({ step: v.literal('link'), from: v.string(), to: v.string() }),
    v.object({ step: v.literal('mkdir'), name: v.string() }),
    v.object({ step: v.literal('remove'), name: v.string() }),
  ]),
)

/** What record-writes.js has seen a process do below a folder, in order. */
export type DiskHistory = v.InferOutput<typeof stepsSchema>

export function parseHistory(text: string): DiskHistory {
  return v.parse(stepsSchema, JSON.parse(text))
}

/** Two histories of the same folder, one behind the other. */
export function joinHistories(first: DiskHistory, second: DiskHistory): DiskHistory {
  const offset = first.length
  const later = second.map((step) => {
    const moved = 'file' in step && step.file !== undefined ? { ...step, file: step.file + offset } : step
    return moved.step === 'sync' ? { ...moved, since: moved.since + offset } : moved
  })
  return [...first, ...later]
}

interface Piece {
  readonly at: number
  readonly bytes: Buffer
}

interface Content {
  readonly pieces: Piece[]
  /** So many pieces are on the disk for certain. */
  durable: number
}

interface Change {
  readonly at: number
  readonly name: string
  /** What the name means from now on; null: nothing. */
  readonly file: number | null
}

/**
 * The files that a disk may hold when the power is cut behind `steps`, by name. A file holds what was synced,
 * and a name means what it meant when its folder was synced; of everything later `luck` decides how much has
 * reached the disk, with 0 for nothing and 1 for all of it.
 */
export function afterPowerCut(steps: DiskHistory, luck: () => number): ReadonlyMap<string, Buffer> {
  const contents = new Map<number, Content>()
  const names = new Map<string, number>()
  /** By folder. */
  const pending = new Map<string, Change[]>()
  const durable = new Map<string, number>()
  const settle = ({ name, file: of }: Change) => {
    if (of === null) durable.delete(name)
    else durable.set(name, of)
  }
  for (const [at, step] of steps.entries()) {
    const change = (name: string, of: number | null) => {
      if (of === null) names.delete(name)
      else names.set(name, of)
      const folder = path.dirname(name)
      pending.set(folder, [...(pending.get(folder) ?? []), { at, name, file: of }])
    }
    switch (step.step) {
      case 'create':
        contents.set(step.file, { pieces: [], durable: 0 })
        change(step.name, step.file)
        break
      case 'write':
        contents.get(step.file)?.pieces.push({ at, bytes: Buffer.from(step.bytes, 'base64') })
        break
      case 'remove':
        change(step.name, null)
        break
      case 'mkdir':
        change(step.name, FOLDER)
        break
      case 'link':
        change(step.to, names.get(step.from) ?? FOLDER)
        break
      case 'rename':
        change(step.to, names.get(step.from) ?? FOLDER)
        change(step.from, null)
        break
      case 'sync': {
        const content = contents.get(step.file ?? 0)
        if (content !== undefined)
          content.durable = content.pieces.filter((piece) => piece.at < step.since).length
        if (step.folder === undefined) break
        const folder = step.folder === '' ? '.' : step.folder
        const changes = pending.get(folder) ?? []
        changes.filter((one) => one.at < step.since).forEach(settle)
        pending.set(
          folder,
          changes.filter((one) => one.at >= step.since),
        )
      }
    }
  }
  for (const changes of pending.values())
    changes.slice(0, Math.round(luck() * changes.length)).forEach(settle)
  const found = new Map<string, Buffer>()
  for (const [name, of] of durable)
    if (of !== FOLDER && isReachable(name, durable)) found.set(name, bytesOf(contents.get(of), luck()))
  return found
}

function bytesOf(content: Content | undefined, share: number): Buffer {
  if (content === undefined) return Buffer.alloc(0)
  const bytes = (pieces: readonly Piece[]) => Buffer.concat(pieces.map((piece) => piece.bytes))
  const lost = bytes(content.pieces.slice(content.durable))
  return Buffer.concat([
    bytes(content.pieces.slice(0, content.durable)),
    lost.subarray(0, Math.round(share * lost.length)),
  ])
}

const FOLDER = -1

/** A file is lost with any folder above it. */
function isReachable(name: string, durable: ReadonlyMap<string, number>): boolean {
  const folder = path.dirname(name)
  return folder === '.' || (durable.get(folder) === FOLDER && isReachable(folder, durable))
}

export async function writeFiles(folder: string, files: ReadonlyMap<string, Buffer>): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const [name, bytes] of files) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), bytes)
  }
}
