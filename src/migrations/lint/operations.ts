import { lineOf, type SyntaxNode } from '../files/syntax.js'
import { argumentsOf, calledName, child, isMember, nameOf, nodesBelow, plainExpression } from './walk.js'

/** A call of an operation on a collection: one link of `m.collection('docs').a(…).b(…)`. */
export interface Operation {
  readonly method: string
  readonly args: readonly SyntaxNode[]
  readonly line: number | null
  readonly call: SyntaxNode
  /** The collection as it is named; null when that is not a literal. */
  readonly collection: string | null
  /** All links of the same chain, in their order. */
  readonly chain: readonly string[]
  /** Nothing waits for the chain. */
  readonly dropped: boolean
}

/** All operations in a program, also on collections that were given a name: `const docs = m.collection('docs')`. */
export function operationsIn(
  program: SyntaxNode,
  parents: ReadonlyMap<SyntaxNode, SyntaxNode>,
): readonly Operation[] {
  const named = new Map<string, string | null>()
  const found: Operation[] = []
  for (const node of nodesBelow(program)) {
    if (node.type === 'VariableDeclarator') {
      const root = rootOf(child(node, 'init'), named)
      const name = nameOf(child(node, 'id'))
      if (root !== undefined && name !== null) named.set(name, root)
    }
  }
  for (const call of nodesBelow(program)) {
    const method = calledName(call)
    const callee = child(call, 'callee')
    if (method === null || method === 'collection' || callee === null || !isMember(callee)) continue
    const collection = rootOf(child(callee, 'object'), named)
    if (collection === undefined) continue
    const property = child(callee, 'property')
    const chain = chainOf(call, parents)
    const end = chain.at(-1) ?? call
    found.push({
      ...{ method, call, collection, args: argumentsOf(call) },
      line: lineOf(property ?? call),
      chain: [...before(callee), ...chain.map((link) => calledName(link) ?? '')],
      dropped: parents.get(end)?.type === 'ExpressionStatement',
    })
  }
  return found
}

/** Undefined: it is not a collection. Null: it is one whose name is not a literal. */
function rootOf(
  start: SyntaxNode | null,
  named: ReadonlyMap<string, string | null>,
): string | null | undefined {
  if (start === null) return undefined
  const node = plainExpression(start)
  if (node.type === 'Identifier') return named.get(nameOf(node) ?? '')
  if (calledName(node) === null) return undefined
  const callee = child(node, 'callee')
  if (callee === null || !isMember(callee)) return undefined
  if (calledName(node) !== 'collection') return rootOf(child(callee, 'object'), named)
  const [name] = argumentsOf(node)
  return name?.type === 'StringLiteral' ? nameOf(name) : null
}

/** The call, and those that are made on its result. */
function chainOf(call: SyntaxNode, parents: ReadonlyMap<SyntaxNode, SyntaxNode>): readonly SyntaxNode[] {
  const access = parents.get(call)
  if (access === undefined || !isMember(access) || child(access, 'object') !== call) return [call]
  const next = parents.get(access)
  return next !== undefined && child(next, 'callee') === access ? [call, ...chainOf(next, parents)] : [call]
}

function before(callee: SyntaxNode): readonly string[] {
  const object = child(callee, 'object')
  const method = object === null ? null : calledName(object)
  const inner = object === null ? null : child(object, 'callee')
  if (method === null || method === 'collection' || inner === null) return []
  return [...before(inner), method]
}
