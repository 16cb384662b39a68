import { mkdir, writeFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'
import { dirname } from 'node:path'

/** Collects rows and notes, prints them as a table, and writes them with every single sample as JSON. */
export class Report {
  #rows = []
  #notes = []

  /**
   * @param {{ name: string, unit: 'ratio' | 'MB' | 's', min: number, median: number, max: number,
   *   target?: string, detail?: string, samples?: unknown }} row
   */
  add(row) {
    this.#rows.push(row)
    console.log(line(row))
  }

  note(text) {
    this.#notes.push(text)
    console.log(`  ${text}`)
  }

  print() {
    console.log(`\n${HEAD}`)
    for (const row of this.#rows) console.log(line(row))
    for (const note of this.#notes) console.log(`note: ${note}`)
  }

  async write(file, options) {
    const machine = {
      cores: cpus().length,
      processor: cpus()[0]?.model,
      memoryBytes: totalmem(),
      system: `${process.platform} ${process.arch} ${release()}`,
      node: process.version,
    }
    await mkdir(dirname(file), { recursive: true })
    const result = { time: new Date().toISOString(), machine, options, rows: this.#rows, notes: this.#notes }
    await writeFile(file, `${JSON.stringify(result, null, 2)}\n`)
  }
}

const WIDTH = 66
const HEAD = `${'measurement'.padEnd(WIDTH)}${['min', 'median', 'max'].map((name) => name.padStart(9)).join('')}  target`

function line({ name, unit, min, median, max, target = '', detail = '' }) {
  const digits = unit === 'ratio' ? 2 : unit === 's' ? 3 : 0
  const numbers = [min, median, max].map((value) => value.toFixed(digits).padStart(9)).join('')
  return `${`${name} (${unit})`.padEnd(WIDTH)}${numbers}  ${target.padEnd(8)}${detail === '' ? '' : `  ${detail}`}`
}
