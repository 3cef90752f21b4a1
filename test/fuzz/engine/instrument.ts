import { type Node, type Options, parse } from 'acorn'

/** What instrumented code counts in: a number for each block of code. The bundle makes it before it loads anything. */
export const COUNTERS = '__fuzzCounters'

export interface Instrumented {
  code: string
  /** The number of its blocks. */
  blocks: number
  /** Texts and numbers of the code: many are what inputs are compared with. */
  literals: (string | number)[]
}

interface Insertion {
  at: number
  isEnd: boolean
  text: string
}

type AnyNode = Node & Record<string, unknown>

const isNode = (value: unknown): value is AnyNode => typeof value === 'object' && value !== null && 'type' in value

/**
 * JavaScript that counts how often each of its blocks runs, from `COUNTERS[first]` on. A block is what runs as a whole:
 * a function, a branch, the body of a loop, the right side of `&&`.
 */
export function instrument(source: string, first: number, sourceType: NonNullable<Options['sourceType']>): Instrumented {
  const tree = parse(source, { ecmaVersion: 'latest', sourceType, allowReturnOutsideFunction: true })
  const insertions: Insertion[] = []
  const literals = new Set<string | number>()
  let blocks = 0
  const count = (): string => `${COUNTERS}[${first + blocks++}]++`
  const insert = (at: number, isEnd: boolean, text: string): void => void insertions.push({ at, isEnd, text })

  const statement = (node: AnyNode): void => {
    if (node.type === 'BlockStatement') insert(afterDirectives(node), false, `;${count()};`)
    else around(node, `{${count()};`, '}')
  }
  const expression = (node: AnyNode): void => around(node, `(${count()},`, ')')
  // what ends at the same place ends from the inside out
  const around = (node: AnyNode, before: string, after: string): void => {
    insert(node.start, false, before)
    visit(node)
    insert(node.end, true, after)
  }
  const visited = new Set<AnyNode>()

  const visitChildren = (node: AnyNode): void => {
    for (const value of Object.values(node))
      for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) if (isNode(child)) visit(child)
  }
  const visit = (node: AnyNode): void => {
    if (visited.has(node)) return
    visited.add(node)
    if (node.type === 'Literal' && (typeof node.value === 'string' || typeof node.value === 'number')) literals.add(node.value)
    for (const [field, kind] of blocksOf(node)) if (isNode(node[field])) (kind === 'statement' ? statement : expression)(node[field])
    if (node.type === 'SwitchCase' && isNode((node.consequent as unknown[])[0]))
      insert((node.consequent as AnyNode[])[0]!.start, false, `${count()};`)
    visitChildren(node)
    if (node.type === 'IfStatement' && !isNode(node.alternate)) insert(node.end, true, ` else {${count()}}`)
  }
  visit(tree as unknown as AnyNode)
  return { code: apply(source, insertions), blocks, literals: [...literals] }
}

function blocksOf({ type, expression }: AnyNode): (readonly [field: string, kind: 'statement' | 'expression'])[] {
  switch (type) {
    case 'ArrowFunctionExpression':
      return [['body', expression === true ? 'expression' : 'statement']]
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ForStatement':
    case 'ForInStatement':
    case 'ForOfStatement':
    case 'WhileStatement':
    case 'DoWhileStatement':
    case 'CatchClause':
      return [['body', 'statement']]
    case 'IfStatement':
      return [
        ['consequent', 'statement'],
        ['alternate', 'statement'],
      ]
    case 'ConditionalExpression':
      return [
        ['consequent', 'expression'],
        ['alternate', 'expression'],
      ]
    case 'LogicalExpression':
      return [['right', 'expression']]
    default:
      return []
  }
}

/** Where the statements of a block begin: 'use strict' must stay the first. */
function afterDirectives(block: AnyNode): number {
  const directives = (block.body as AnyNode[]).filter(({ directive }) => directive !== undefined)
  return directives.at(-1)?.end ?? block.start + 1
}

function apply(source: string, insertions: readonly Insertion[]): string {
  // stable: what is inserted at one place keeps its order, ends before beginnings
  const sorted = [...insertions].sort((a, b) => a.at - b.at || Number(b.isEnd) - Number(a.isEnd))
  let done = 0
  let code = ''
  for (const { at, text } of sorted) {
    code += source.slice(done, at) + text
    done = at
  }
  return code + source.slice(done)
}
