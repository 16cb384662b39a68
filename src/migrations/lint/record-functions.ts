import { lineOf, type SyntaxNode } from '../files/syntax.js'
import type { Remark } from './finding.js'
import type { Operation } from './operations.js'
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

/** Whether the function gives null, or nothing at all, for some records. */
export function returnsNull(node: SyntaxNode | undefined): boolean {
  if (node === undefined || !isFunction(node)) return false
  const body = child(node, 'body')
  if (body === null) return false
  return body.type === 'BlockStatement' ? returned(body).some(canBeNull) : canBeNull(body)
}

/** What is returned, but for what functions within it return. */
function returned(node: SyntaxNode): readonly (SyntaxNode | null)[] {
  if (node.type === 'ReturnStatement') return [child(node, 'argument')]
  return childrenOf(node).flatMap((inner) => (isFunction(inner) ? [] : returned(inner)))
}

function canBeNull(given: SyntaxNode | null): boolean {
  if (given === null) return true
  const node = plainExpression(given)
  if (node.type === 'ConditionalExpression') {
    return canBeNull(child(node, 'consequent')) || canBeNull(child(node, 'alternate'))
  }
  if (node.type === 'LogicalExpression') return canBeNull(child(node, 'right'))
  return node.type === 'NullLiteral' || nameOf(node) === 'undefined'
}

const OF_THE_MOMENT = new Set([
  ...['Date.now', 'Math.random', 'crypto.randomUUID', 'crypto.getRandomValues', 'crypto.randomBytes'],
  ...['randomUUID', 'randomBytes', 'randomInt', 'performance.now', 'process.hrtime', 'nanoid', 'uuid'],
  ...['v1', 'v4', 'v7', 'uuidv4', 'uuidv7', 'Date'],
])

/**
 * Time and chance in a function that is called for each record: a copy that is continued or checked calls it
 * again, and must get the same.
 */
export function differingRemarks({ method, args }: Operation, program: SyntaxNode): readonly Remark[] {
  const [first] = args
  const functions: Readonly<Record<string, SyntaxNode | null | undefined>> = {
    transform: first,
    filter: first,
    split: first,
    reembed: member(first, 'input'),
  }
  const start = functions[method]
  if (start == null) return []
  const seen = new Set<SyntaxNode>()
  return differingIn(start, program, seen).map(([node, what]) => ({
    rule: 'CM010',
    severity: 'error',
    line: lineOf(node),
    message: `${what} in ${method}() gives another result in each run`,
  }))
}

function differingIn(
  start: SyntaxNode,
  program: SyntaxNode,
  seen: Set<SyntaxNode>,
): readonly (readonly [SyntaxNode, string])[] {
  const own = isFunction(start) ? start : functionNamed(nameOf(start), program)
  if (own === null || seen.has(own)) return []
  seen.add(own)
  return [...nodesBelow(own)].flatMap((node) => {
    const callee = child(node, 'callee')
    if (callee === null) return []
    const name = pathOf(callee)
    const isNewDate = node.type === 'NewExpression' && name === 'Date' && argumentsOf(node).length === 0
    if (isNewDate) return [[node, 'new Date()'] as const]
    if (calledName(node) === null) return []
    if (name !== null && OF_THE_MOMENT.has(name)) return [[node, `${name}()`] as const]
    return callee.type === 'Identifier' ? differingIn(callee, program, seen) : []
  })
}

/** `Date.now` of `globalThis.Date.now`. */
function pathOf(node: SyntaxNode): string | null {
  if (!isMember(node)) return nameOf(node)
  const property = nameOf(child(node, 'property'))
  const object = child(node, 'object')
  const owner = object === null ? null : pathOf(object)?.split('.').at(-1)
  return owner == null || property === null ? null : `${owner}.${property}`
}

/** A function of the file: `function f() {}` or `const f = () => {}`. */
function functionNamed(name: string | null, program: SyntaxNode): SyntaxNode | null {
  if (name === null) return null
  for (const node of nodesBelow(program)) {
    if (nameOf(child(node, 'id')) !== name) continue
    if (node.type === 'FunctionDeclaration') return node
    const value = node.type === 'VariableDeclarator' ? child(node, 'init') : null
    if (isFunction(value)) return value
  }
  return null
}
