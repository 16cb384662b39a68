import { PickleError } from './errors.js'
import { ownCopy, textOf, type PickleEvents, type PickleValue } from './pickle-value.js'

/** The values since a mark. */
type Frame = PickleValue[]

const ROOT = ''
/** Nothing that Chroma writes nests deeper, or has longer text. */
const MAX_FRAMES = 16
const MAX_VALUES = 64
const MAX_TEXT = 2 ** 24
const MAX_MEMO = 256

/**
 * The stack machine of Python's pickles (PEP 307, PEP 3154), with the opcodes that an index pickle consists of.
 * Dicts are not built: their pairs are handed on as soon as they are complete, so that memory does not grow.
 */
export class PickleMachine {
  ended = false
  readonly #events: PickleEvents
  #frames: Frame[] = [[]]
  /** The first memoized values; text among them is copied. */
  readonly #memo = new Map<number, PickleValue>()
  #memoized = 0
  #bytes: Uint8Array = new Uint8Array(0)
  #view: DataView = new DataView(new ArrayBuffer(0))
  #at = 0

  constructor(events: PickleEvents) {
    this.#events = events
  }

  /** Runs the opcodes that are whole; returns how many bytes they took. What is left comes again in front. */
  run(bytes: Uint8Array): number {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = 0
    let done = 0
    while (!this.ended && this.#at < bytes.length) {
      if (!this.#step()) break
      done = this.#at
    }
    this.#keepTexts()
    if (this.ended && done < bytes.length) throw refusal('it goes on after its end')
    return done
  }

  /** False when the opcode is not whole yet. Nothing has happened then. */
  #step(): boolean {
    const code = this.#bytes[this.#at] ?? 0
    const start = this.#at + 1
    switch (code) {
      case 0x80: // PROTO
        return this.#skip(start + 1)
      case 0x95: // FRAME
        return this.#skip(start + 8)
      case 0x4e: // NONE
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        return this.#push({ kind: 'none' }, start)
      case 0x4b: // BININT1
        return this.#has(start + 1) && this.#number(this.#view.getUint8(start), start + 1)
      case 0x4d: // BININT2
        return this.#has(start + 2) && this.#number(this.#view.getUint16(start, true), start + 2)
      case 0x4a: // BININT
        return this.#has(start + 4) && this.#number(this.#view.getInt32(start, true), start + 4)
      case 0x8a: // LONG1
        return this.#has(start + 1) && this.#long(start + 1, this.#view.getUint8(start))
      case 0x8c: // SHORT_BINUNICODE
        return this.#has(start + 1) && this.#text(start + 1, this.#view.getUint8(start))
      case 0x58: // BINUNICODE
        return this.#has(start + 4) && this.#text(start + 4, this.#view.getUint32(start, true))
      case 0x8d: // BINUNICODE8
        return this.#has(start + 8) && this.#text(start + 8, Number(this.#view.getBigUint64(start, true)))
      case 0x7d: // EMPTY_DICT
        return this.#push({ kind: 'dict', role: this.#roleOfNext() }, start)
      case 0x29: // EMPTY_TUPLE
        return this.#push({ kind: 'tuple' }, start)
      case 0x63: // GLOBAL: two lines
        return this.#global(start)
      case 0x28: // MARK
        if (this.#frames.length >= MAX_FRAMES) throw refusal('it nests too deeply')
        this.#frames.push([])
        return this.#moved(start)
      default:
        return this.#stackStep(code, start)
    }
  }

  /** Opcodes that take from the stack or use the memo. */
  #stackStep(code: number, start: number): boolean {
    switch (code) {
      case 0x94: // MEMOIZE
        this.#memoize(this.#memoized)
        return this.#moved(start)
      case 0x71: // BINPUT
        return this.#has(start + 1) && this.#put(this.#view.getUint8(start), start + 1)
      case 0x72: // LONG_BINPUT
        return this.#has(start + 4) && this.#put(this.#view.getUint32(start, true), start + 4)
      case 0x68: // BINGET
        return this.#has(start + 1) && this.#get(this.#view.getUint8(start), start + 1)
      case 0x6a: // LONG_BINGET
        return this.#has(start + 4) && this.#get(this.#view.getUint32(start, true), start + 4)
      case 0x93: // STACK_GLOBAL
        this.#pop()
        this.#pop()
        return this.#push({ kind: 'class' }, start)
      case 0x81: // NEWOBJ
        this.#pop()
        if (this.#pop().kind !== 'class') throw refusal('it makes an object of nothing')
        return this.#push({ kind: 'object' }, start)
      case 0x62: // BUILD
        if (this.#pop().kind !== 'dict')
          throw new PickleError('the object in the pickle of the index has no members')
        return this.#moved(start)
      case 0x73: // SETITEM
        return this.#setItem(start)
      case 0x75: // SETITEMS
        return this.#setItems(start)
      case 0x2e: // STOP
        this.#pop()
        this.ended = true
        return this.#moved(start)
      default:
        throw new PickleError(`opcode 0x${code.toString(16)} does not belong into the pickle of an index`)
    }
  }

  #setItem(next: number): boolean {
    const value = this.#pop()
    const key = this.#pop()
    this.#deliver(this.#dict(this.#top()), key, value)
    return this.#moved(next)
  }

  #setItems(next: number): boolean {
    const values = this.#top()
    if (this.#frames.length < 2 || values.length % 2 !== 0) throw refusal('it has a key without a value')
    const role = this.#dict(this.#below())
    for (let at = 0; at + 1 < values.length; at += 2) this.#deliver(role, values[at], values[at + 1])
    this.#frames.pop()
    return this.#moved(next)
  }

  #push(value: PickleValue, next: number): boolean {
    const values = this.#top()
    // A pair is complete when the next one is: one item more may follow for a dict that is its value (SETITEM).
    if (values.length === 4 && this.#frames.length > 1) {
      this.#deliver(this.#dict(this.#below()), values[0], values[1])
      values.splice(0, 2)
    }
    if (values.length >= MAX_VALUES) throw refusal('it piles up values')
    values.push(value)
    return this.#moved(next)
  }

  #pop(): PickleValue {
    const value = this.#top().pop()
    if (value === undefined) throw refusal('it takes a value that is not there')
    return value
  }

  #deliver(role: string, key: PickleValue | undefined, value: PickleValue | undefined): void {
    if (key === undefined || value === undefined) throw refusal('it misses a value')
    if (role !== ROOT) this.#events.pair(role, key, value)
    else if (key.kind === 'text') this.#events.field(textOf(key), value)
  }

  #top(): Frame {
    const frame = this.#frames.at(-1)
    if (frame === undefined) throw refusal('it has no stack')
    return frame
  }

  #below(): Frame {
    const frame = this.#frames.at(-2)
    if (frame === undefined) throw refusal('it fills a dict that is not there')
    return frame
  }

  /** The dict that items go to. */
  #dict(values: Frame): string {
    const target = values.at(-1)
    if (target?.kind !== 'dict') throw refusal('it fills something that is no dict')
    return target.role
  }

  /** The dict that begins now is a member of the outermost one when a key stands before it. */
  #roleOfNext(): string {
    const values = this.#top()
    const key = values.at(-1)
    if (values.length % 2 === 0 || key?.kind !== 'text') return ROOT
    return textOf(key)
  }

  #number(value: number, next: number): boolean {
    return this.#push({ kind: 'number', value }, next)
  }

  #long(start: number, length: number): boolean {
    if (!this.#has(start + length)) return false
    let value = 0n
    for (let at = length - 1; at >= 0; at--) value = (value << 8n) | BigInt(this.#view.getUint8(start + at))
    const signed = length > 0 ? BigInt.asIntN(length * 8, value) : 0n
    return this.#number(Number(signed), start + length)
  }

  #text(start: number, length: number): boolean {
    if (length > MAX_TEXT) throw refusal('it has text of an impossible length')
    if (!this.#has(start + length)) return false
    return this.#push({ kind: 'text', bytes: this.#bytes, from: start, to: start + length }, start + length)
  }

  #global(start: number): boolean {
    const first = this.#bytes.indexOf(0x0a, start)
    const second = first < 0 ? -1 : this.#bytes.indexOf(0x0a, first + 1)
    if (second >= 0) return this.#push({ kind: 'class' }, second + 1)
    if (this.#bytes.length - start > 1000) throw refusal('it names an endless class')
    return false
  }

  #put(slot: number, next: number): boolean {
    this.#memoize(slot)
    return this.#moved(next)
  }

  #memoize(slot: number): void {
    const value = this.#top().at(-1)
    if (value === undefined) throw refusal('it remembers a value that is not there')
    this.#memoized++
    if (slot < MAX_MEMO) this.#memo.set(slot, ownCopy(value))
  }

  #get(slot: number, next: number): boolean {
    if (slot >= this.#memoized) throw refusal('it recalls what it never remembered')
    return this.#push(this.#memo.get(slot) ?? { kind: 'kept' }, next)
  }

  /** The piece goes away: text on the stack gets bytes of its own. */
  #keepTexts(): void {
    for (const values of this.#frames)
      for (const [index, value] of values.entries()) values[index] = ownCopy(value)
  }

  #has(end: number): boolean {
    return end <= this.#bytes.length
  }

  #skip(next: number): boolean {
    return this.#has(next) && this.#moved(next)
  }

  #moved(next: number): boolean {
    this.#at = next
    return true
  }
}

function refusal(why: string): PickleError {
  return new PickleError(`the pickle of the index is damaged: ${why}`)
}
