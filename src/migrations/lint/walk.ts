import { isNode, type SyntaxNode } from '../files/syntax.js'

const NOT_CHILDREN = new Set(['leadingComments', 'trailingComments', 'innerComments', 'comments', 'extra'])

/** The nodes directly below, in the order of the text. */
export function childrenOf(node: SyntaxNode): readonly SyntaxNode[] {
  return Object.entries(node).flatMap(([name, value]) => {
    if (NOT_CHILDREN.has(name)) return []
    if (Array.isArray(value)) return value.filter(isNode)
    return isNode(value) ? [value] : []
  })
}

/** The node and all below it. */
export function* nodesBelow(node: SyntaxNode): Generator<SyntaxNode> {
  yield node
  for (const child of childrenOf(node)) yield* nodesBelow(child)
}

/** The node that each node is directly below of. */
export function parentsOf(root: SyntaxNode): ReadonlyMap<SyntaxNode, SyntaxNode> {
  const parents = new Map<SyntaxNode, SyntaxNode>()
  for (const node of nodesBelow(root)) for (const child of childrenOf(node)) parents.set(child, node)
  return parents
}

export function isFunction(node: SyntaxNode | null): node is SyntaxNode {
  return (
    node !== null &&
    /^(ArrowFunctionExpression|FunctionExpression|FunctionDeclaration|ObjectMethod)$/.test(node.type)
  )
}

export function child(node: SyntaxNode, field: string): SyntaxNode | null {
  const value = node[field]
  return isNode(value) ? value : null
}

export function nameOf(node: SyntaxNode | null): string | null {
  if (node === null) return null
  const name = node.type === 'StringLiteral' ? node['value'] : node['name']
  return typeof name === 'string' ? name : null
}

/** `b` of `a.b(…)` and of `a?.b(…)`, and `b` of `b(…)`. */
export function calledName(node: SyntaxNode): string | null {
  if (!/^(Optional)?CallExpression$/.test(node.type)) return null
  const callee = child(node, 'callee')
  if (callee === null) return null
  return isMember(callee) ? memberName(callee) : nameOf(callee)
}

export function isMember(node: SyntaxNode): boolean {
  return /^(Optional)?MemberExpression$/.test(node.type)
}

function memberName(node: SyntaxNode): string | null {
  const property = child(node, 'property')
  const isPlain = node['computed'] !== true || property?.type === 'StringLiteral'
  return isPlain ? nameOf(property) : null
}

export function argumentsOf(node: SyntaxNode): readonly SyntaxNode[] {
  const list = node['arguments']
  return Array.isArray(list) ? list.filter(isNode).map(plainExpression) : []
}

/** Without assertions of types around it. */
export function plainExpression(node: SyntaxNode): SyntaxNode {
  const inner = /^TS(As|Satisfies|NonNull)Expression$/.test(node.type) ? child(node, 'expression') : null
  return inner === null ? node : plainExpression(inner)
}

/** The value of a property or the method of that name; null when there is none. */
export function member(object: SyntaxNode | undefined, name: string): SyntaxNode | null {
  if (object?.type !== 'ObjectExpression') return null
  const found = childrenOf(object).find((property) => nameOf(child(property, 'key')) === name)
  if (found === undefined) return null
  return found.type === 'ObjectMethod' ? found : child(found, 'value')
}
