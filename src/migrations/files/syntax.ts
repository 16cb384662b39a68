import { createJiti } from 'jiti'

import { asError } from '../../core/errors.js'

/** A node of the syntax tree, in the form of Babel 7 (github.com/babel/babel, packages/babel-types). */
export interface SyntaxNode {
  readonly type: string
  readonly [field: string]: unknown
}

export interface Program {
  readonly program: SyntaxNode
  readonly comments: readonly SyntaxNode[]
}

/** The text is not a program; the line counts from 1. */
export class SourceSyntaxError extends Error {
  readonly line: number | null

  constructor(message: string, line: number | null, cause: unknown) {
    super(message, { cause })
    this.line = line
  }
}

/** Parses JavaScript or TypeScript, as the name of the file says. Throws {@link SourceSyntaxError}. */
export function parseProgram(source: string, file: string): Program {
  const found: Program[] = []
  const { transform } = createJiti(import.meta.url, { fsCache: false }).options
  if (transform === undefined) throw new Error('jiti has no transform')
  const result = transform({
    source: withoutMark(source),
    filename: file,
    ts: isTypeScript(file),
    jsx: file.endsWith('x'),
    babel: { plugins: [() => ({ pre: (parsed: unknown) => found.push(taken(parsed)) })] },
  })
  if (result.error !== undefined && result.error !== null) throw syntaxError(result.error)
  const [program] = found
  if (program === undefined) throw new Error(`${file} was not parsed`)
  return program
}

export function isTypeScript(file: string): boolean {
  return /\.[cm]?tsx?$/.test(file)
}

/** Without the byte order mark that some editors write. */
export function withoutMark(source: string): string {
  return source.startsWith('\uFEFF') ? source.slice(1) : source
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

/** The nodes of a list field; holes are left out. */
export function nodesOf(value: unknown): readonly SyntaxNode[] {
  return Array.isArray(value) ? value.filter(isNode) : []
}

/** Null for a node that was made, not read. */
export function lineOf(node: SyntaxNode): number | null {
  return positionOf(node, 'start')
}

export function lastLineOf(node: SyntaxNode): number | null {
  return positionOf(node, 'end')
}

function positionOf({ loc }: SyntaxNode, end: 'start' | 'end'): number | null {
  if (typeof loc !== 'object' || loc === null || !(end in loc)) return null
  const position: unknown = Reflect.get(loc, end)
  if (typeof position !== 'object' || position === null || !('line' in position)) return null
  return typeof position.line === 'number' ? position.line : null
}

/**
 * Takes the tree out of Babel before anything is transformed, and leaves an empty program behind: what Babel
 * would generate differs from release to release, what it parses does not.
 */
function taken(parsed: unknown): Program {
  const ast: unknown = typeof parsed === 'object' && parsed !== null && 'ast' in parsed ? parsed.ast : null
  if (!isNode(ast) || !isNode(ast['program'])) throw new Error('Babel gave no syntax tree')
  const program = ast['program']
  const kept: SyntaxNode = { ...program }
  Reflect.set(program, 'body', [])
  Reflect.set(program, 'directives', [])
  return { program: kept, comments: nodesOf(ast['comments']) }
}

/** `/: Unexpected token (4:17)` and a picture of the code after it. */
function syntaxError(thrown: unknown): SourceSyntaxError {
  const { message } = asError(thrown)
  const [first = message] = message.split('\n', 1)
  const text = first.replace(/^[^:]*: /, '').replace(/ \(\d+:\d+\)$/, '')
  const loc: unknown =
    typeof thrown === 'object' && thrown !== null && 'loc' in thrown ? thrown.loc : undefined
  const hasLine = typeof loc === 'object' && loc !== null && 'line' in loc && typeof loc.line === 'number'
  return new SourceSyntaxError(text, hasLine ? Number(loc.line) : null, thrown)
}
