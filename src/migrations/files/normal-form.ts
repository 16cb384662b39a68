import { isBranch, isTrees, stripTypes, type Branch, type Tree } from './strip-types.js'
import { isTypeScript, lineOf, nodesOf, type Program } from './syntax.js'

/** An import, `export … from`, `import()` or `require()` with a literal. */
export interface ImportedName {
  readonly specifier: string
  readonly line: number | null
  /** Whether the file cannot be loaded without it. */
  readonly required: boolean
}

/**
 * The program as a text that is the same for whatever a formatter, a comment, a line end or a type can change,
 * and another when anything else differs. `nameOf` gives the name by which a source is written down.
 */
export function normalForm(
  { program }: Program,
  file: string,
  nameOf: (imported: ImportedName) => string,
): string {
  const tree = stripTypes(program)
  if (!isBranch(tree)) return ''
  const body = tree.fields['body']
  const statements = isTrees(body) ? body : []
  const kept = isTypeScript(file) ? withoutTypeUses(statements, typesIn(program['body'])) : statements
  return write({ ...tree, fields: { ...tree.fields, body: kept } }, nameOf)
}

/**
 * TypeScript leaves out an import whose names are used as types only, and the whole import when none is left;
 * exports of a type as well.
 */
function withoutTypeUses(statements: readonly Tree[], types: ReadonlySet<string>): readonly Tree[] {
  const used = new Set<string>()
  for (const statement of statements) if (!isLocalExport(statement)) collectNames(statement, used)
  const imported = new Set(used)
  for (const statement of statements.filter(isLocalExport)) collectNames(statement, imported)
  return statements.flatMap((statement) => {
    if (!isBranch(statement)) return [statement]
    const { specifiers } = statement.fields
    if (!isTrees(specifiers)) return [statement]
    const isImport = statement.type === 'ImportDeclaration'
    const stays = (specifier: Tree) => {
      const name = localName(specifier)
      if (isImport) return imported.has(name)
      return !isLocalExport(statement) || used.has(name) || !types.has(name)
    }
    const kept = specifiers.filter(stays)
    if (kept.length === specifiers.length) return [statement]
    return kept.length === 0 ? [] : [{ ...statement, fields: { ...statement.fields, specifiers: kept } }]
  })
}

/** `export { a, b }`. */
function isLocalExport(statement: Tree): boolean {
  if (!isBranch(statement) || statement.type !== 'ExportNamedDeclaration') return false
  return 'specifiers' in statement.fields && !('source' in statement.fields)
}

function typesIn(body: unknown): ReadonlySet<string> {
  const names = nodesOf(body).flatMap((statement) => {
    const isType = statement.type === 'TSInterfaceDeclaration' || statement.type === 'TSTypeAliasDeclaration'
    return isType ? nodesOf([statement['id']]).map(({ name }) => String(name)) : []
  })
  return new Set(names)
}

/** Names that are read or declared as values; those that an import brings and an export only passes on apart. */
function collectNames(tree: Tree, names: Set<string>): void {
  if (isTrees(tree)) for (const item of tree) collectNames(item, names)
  if (!isBranch(tree) || tree.type === 'ImportDeclaration') return
  if (tree.type === 'Identifier' || tree.type === 'JSXIdentifier') names.add(textOf(tree.fields['name']))
  for (const field of Object.values(tree.fields)) collectNames(field, names)
}

function localName(specifier: Tree): string {
  const local = isBranch(specifier) ? specifier.fields['local'] : undefined
  return isBranch(local) ? textOf(local.fields['name']) : ''
}

function textOf(tree: Tree | undefined): string {
  return typeof tree === 'string' ? tree : ''
}

function write(tree: Tree, nameOf: (imported: ImportedName) => string): string {
  if (isTrees(tree)) return `[${tree.map((item) => write(item, nameOf)).join(',')}]`
  if (!isBranch(tree)) return JSON.stringify(tree)
  const source = sourceOf(tree)
  const fields = Object.entries(tree.fields).map(([name, value]) => {
    if (source?.field !== name) return `${name}:${write(value, nameOf)}`
    const { specifier, required } = source
    return `${name}:${JSON.stringify(nameOf({ specifier, required, line: lineOf(tree.node) }))}`
  })
  return `${tree.type}{${fields.join(',')}}`
}

interface Source {
  readonly field: string
  readonly specifier: string
  readonly required: boolean
}

function sourceOf({ type, fields }: Branch): Source | null {
  if (type === 'ImportExpression') return literal('source', fields['source'], false)
  if (type === 'TSExternalModuleReference') return literal('expression', fields['expression'], true)
  if (/^(Import|ExportNamed|ExportAll)Declaration$/.test(type))
    return literal('source', fields['source'], true)
  if (type !== 'CallExpression') return null
  const { callee } = fields
  const isImport = isBranch(callee) && callee.type === 'Import'
  const isRequire = isBranch(callee) && callee.fields['name'] === 'require'
  const list = fields['arguments']
  const single = isTrees(list) && list.length === 1 ? list[0] : undefined
  return isImport || isRequire ? literal('arguments', single, false) : null
}

function literal(field: string, tree: Tree | undefined, required: boolean): Source | null {
  if (!isBranch(tree) || tree.type !== 'StringLiteral') return null
  return { field, specifier: textOf(tree.fields['value']), required }
}
