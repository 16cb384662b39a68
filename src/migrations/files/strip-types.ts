import { isNode, type SyntaxNode } from './syntax.js'

/** What is left of a syntax tree without positions, comments, spelling and types. */
export type Tree = string | number | boolean | null | readonly Tree[] | Branch

export interface Branch {
  readonly type: string
  readonly fields: Readonly<Record<string, Tree>>
  readonly node: SyntaxNode
}

/** Positions and spelling (`extra`), types, and what only the type checker reads. */
const IGNORED = new Set([
  ...['type', 'start', 'end', 'loc', 'range', 'extra', 'errors', 'interpreter', 'sourceType', 'tail'],
  ...['leadingComments', 'trailingComments', 'innerComments', 'comments', 'tokens'],
  ...['typeAnnotation', 'typeParameters', 'typeArguments', 'superTypeParameters', 'superTypeArguments'],
  ...['returnType', 'predicate', 'implements', 'accessibility', 'readonly', 'abstract', 'override'],
  ...['definite', 'declare', 'importKind', 'exportKind', 'const', 'shorthand', 'method', 'variance'],
])

/** Their `optional` is that of a type; elsewhere it is `?.`. */
const OPTIONAL_IN_TYPES = /^(Identifier|ObjectPattern|ArrayPattern|RestElement|Class\w+)$/

const TYPES_ONLY = new Set([
  ...['TSInterfaceDeclaration', 'TSTypeAliasDeclaration', 'TSDeclareFunction', 'TSDeclareMethod'],
  ...['TSIndexSignature', 'TSNamespaceExportDeclaration', 'EmptyStatement'],
])

const TRANSPARENT = new Set([
  ...['TSAsExpression', 'TSSatisfiesExpression', 'TSNonNullExpression', 'TSTypeAssertion'],
  ...['TSInstantiationExpression', 'ParenthesizedExpression'],
])

/** Undefined: nothing of it is left. */
export function stripTypes(node: SyntaxNode): Tree | undefined {
  if (isTypesOnly(node)) return undefined
  if (TRANSPARENT.has(node.type)) return isNode(node['expression']) ? stripTypes(node['expression']) : null
  const literal = literalOf(node)
  if (literal !== undefined) return { type: node.type, fields: { value: literal }, node }
  const fields: Record<string, Tree> = {}
  for (const name of Object.keys(node).sort()) {
    if (IGNORED.has(name) || (name === 'optional' && OPTIONAL_IN_TYPES.test(node.type))) continue
    const value = fieldOf(node, name)
    if (value !== undefined && value !== false && value !== null) fields[name] = value
  }
  return isEmptied(node, fields) ? undefined : { type: node.type, fields, node }
}

export function isBranch(tree: Tree | undefined): tree is Branch {
  return typeof tree === 'object' && tree !== null && 'fields' in tree
}

export function isTrees(tree: Tree | undefined): tree is readonly Tree[] {
  return Array.isArray(tree)
}

function fieldOf(node: SyntaxNode, name: string): Tree | undefined {
  const value = node[name]
  if (name === 'key' || name === 'property') return keyOf(node, value)
  if (Array.isArray(value)) {
    const items = value.filter((item) => !isThisParameter(name, item)).map(stripItem)
    const kept = items.filter((item) => item !== undefined)
    return kept.length === 0 ? undefined : kept
  }
  if (isNode(value)) return stripTypes(value) ?? emptyBody(name, value)
  const isPlain = value === null || ['string', 'number', 'boolean'].includes(typeof value)
  return isPlain ? plain(value) : undefined
}

/** `{ 'a': 1 }` and `{ a: 1 }` are the same; so no name of a property is taken for a variable, either. */
function keyOf(node: SyntaxNode, value: unknown): Tree | undefined {
  if (!isNode(value)) return undefined
  if (node['computed'] === true) return stripTypes(value)
  if (value.type === 'Identifier') return plain(value['name'])
  if (value.type === 'StringLiteral' || value.type === 'NumericLiteral') return String(value['value'])
  return stripTypes(value)
}

function stripItem(item: unknown): Tree | undefined {
  return isNode(item) ? stripTypes(item) : plain(item)
}

function plain(value: unknown): Tree {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null
}

/** `while (x);` keeps its body. */
function emptyBody(name: string, value: SyntaxNode): Tree | undefined {
  return value.type === 'EmptyStatement' && name !== 'declaration' ? 'empty' : undefined
}

/** The value of what can be written in several ways. */
function literalOf(node: SyntaxNode): Tree | undefined {
  const { type } = node
  if (type === 'StringLiteral' || type === 'NumericLiteral' || type === 'DirectiveLiteral')
    return String(node['value'])
  if (type === 'BigIntLiteral') return BigInt(String(node['value'])).toString()
  if (type === 'RegExpLiteral')
    return [plain(node['pattern']), Array.from(String(node['flags'])).sort().join('')]
  if (type !== 'TemplateElement') return undefined
  const value = node['value']
  return typeof value === 'object' && value !== null && 'raw' in value ? plain(value.raw) : null
}

function isTypesOnly(node: SyntaxNode): boolean {
  const kind = node['importKind'] ?? node['exportKind']
  if (kind === 'type' || kind === 'typeof') return true
  return (
    TYPES_ONLY.has(node.type) ||
    node['declare'] === true ||
    (node['abstract'] === true && node.type === 'ClassProperty')
  )
}

function isThisParameter(field: string, item: unknown): boolean {
  return field === 'params' && isNode(item) && item.type === 'Identifier' && item['name'] === 'this'
}

/** An export or a namespace of which only types were exported; a directive that holds anyway. */
function isEmptied({ type, ...node }: SyntaxNode, fields: Readonly<Record<string, Tree>>): boolean {
  switch (type) {
    case 'ExportNamedDeclaration':
      return fields['declaration'] === undefined && fields['specifiers'] === undefined
    case 'ExportDefaultDeclaration':
      return fields['declaration'] === undefined
    case 'TSModuleDeclaration':
      return !isBranch(fields['body']) || fields['body'].fields['body'] === undefined
    case 'ImportDeclaration':
      return Array.isArray(node['specifiers']) && node['specifiers'].length > 0 && !('specifiers' in fields)
    case 'Directive':
      return isBranch(fields['value']) && fields['value'].fields['value'] === 'use strict'
    default:
      return false
  }
}
