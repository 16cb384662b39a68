import { normalForm } from '../files/normal-form.js'
import { parseProgram, SourceSyntaxError } from '../files/syntax.js'

/**
 * What a function does, as a text that is the same for whatever a formatter or a comment can change in its source.
 * Native functions, and what is nothing by itself, have their source.
 */
export function functionText(of: object): string {
  const source = Function.prototype.toString.call(of).replaceAll('\r\n', '\n')
  if (/\{\s*\[native code\]\s*\}\s*$/.test(source)) return source
  // Arrow functions, functions and classes are expressions; methods are only found in objects.
  return formOf(`(${source})`) ?? formOf(`({${source}})`) ?? source
}

function formOf(program: string): string | null {
  try {
    return normalForm(parseProgram(program, FILE), FILE, ({ specifier }) => specifier)
  } catch (error) {
    if (error instanceof SourceSyntaxError) return null
    throw error
  }
}

const FILE = 'function.js'
