import { lineOf, nodesOf, type SyntaxNode } from '../files/syntax.js'
import type { Remark } from './finding.js'
import {
  argumentsOf,
  calledName,
  child,
  childrenOf,
  isFunction,
  isMember,
  member,
  nameOf,
  nodesBelow,
  plainExpression,
} from './walk.js'

const DELETES = /^delete_?collection$/i
const GETS_OR_CREATES = /^get_?or_?create(_?collection)?$/i
const WRITES = new Set(['add', 'update', 'upsert', 'delete', 'modify'])

/** Rules about code that works by itself: `m.step`, `m.client` and what is done in them. */
export function opaqueRemarks(
  program: SyntaxNode,
  parents: ReadonlyMap<SyntaxNode, SyntaxNode>,
): readonly Remark[] {
  const hasWayBack = saysHowBack(program)
  return [...nodesBelow(program)].flatMap((node): Remark[] => {
    const name = calledName(node)
    if (name === null) return []
    const line = lineOf(child(child(node, 'callee') ?? node, 'property') ?? node)
    if (DELETES.test(name)) {
      const message = 'deletes for good: m.collection(…).drop() keeps the collection for the way back'
      return [{ rule: 'CM001', severity: 'error', line, message }]
    }
    if (GETS_OR_CREATES.test(name)) {
      const message = 'creates an empty collection where one is missing: get it, or create() it'
      return [{ rule: 'CM008', severity: 'error', line, message }]
    }
    if (!hasWayBack && isOpaque(node, name)) {
      const message = `${name}() cannot be taken back: give it or the migration a down, or say why it is irreversible`
      return [{ rule: 'CM009', severity: 'warning', line, message }]
    }
    if (name === 'get' && member(argumentsOf(node)[0], 'offset') !== null && writesAround(node, parents)) {
      const message = 'what is written or deleted moves the pages: list the ids first, then get by ids'
      return [{ rule: 'CM015', severity: 'error', line, message }]
    }
    return []
  })
}

/** `down` or `irreversible` of the definition, or exported by itself. */
function saysHowBack(program: SyntaxNode): boolean {
  return nodesOf(program['body']).some((statement) => {
    const declaration = child(statement, 'declaration')
    if (declaration === null) return false
    if (statement.type === 'ExportNamedDeclaration') {
      const declared = [declaration, ...nodesOf(declaration['declarations'])]
      return declared.some((one) => ['down', 'irreversible'].includes(nameOf(child(one, 'id')) ?? ''))
    }
    const value = plainExpression(declaration)
    const object = calledName(value) === null ? value : argumentsOf(value)[0]
    return member(object, 'down') !== null || member(object, 'irreversible') !== null
  })
}

function isOpaque(node: SyntaxNode, name: string): boolean {
  const callee = child(node, 'callee')
  if (callee === null || !isMember(callee)) return false
  const [title, run, options] = argumentsOf(node)
  if (title === undefined || !isFunction(run ?? null)) return false
  return name === 'client' || (name === 'step' && member(options, 'down') === null)
}

/** Whether the same function, or one around it, writes too. */
function writesAround(node: SyntaxNode, parents: ReadonlyMap<SyntaxNode, SyntaxNode>): boolean {
  for (let around = parents.get(node); around !== undefined; around = parents.get(around)) {
    const name = calledName(around)
    if (name === 'client' || name === 'step') return writes(around)
  }
  return false
}

function writes(node: SyntaxNode): boolean {
  const name = calledName(node)
  return (name !== null && WRITES.has(name)) || childrenOf(node).some(writes)
}
