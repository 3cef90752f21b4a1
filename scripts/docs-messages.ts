// Reads from the sources which errors the program can give: every `new AppError(...)`. Functions that pass messages
// on to it are followed to their callers.
import { dirname, resolve } from 'node:path'
import ts from 'typescript'

/** An error that the program can give. Texts hold `<placeholders>` for values that are only known when it happens. */
export interface FoundError {
  /** Empty if the code is that of the error that caused it. */
  codes: string[]
  message: string
  /** Empty if the hint is that of the code. */
  hints: string[]
}

/** The errors of the program that begins in these TypeScript files, sorted, each once. */
export function readErrors(entryPoints: readonly string[]): FoundError[] {
  const options: ts.CompilerOptions = {
    noLib: true,
    types: [],
    allowImportingTsExtensions: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2023,
  }
  const rows = new Reader(ts.createProgram(entryPoints, options, relativeOnly()))
    .all()
    .map(row => ({ ...row, message: tidy(row.message), hints: unique(row.hints.map(tidy)) }))
    .filter(({ message }) => !isBare(message)) // errors that come from a worker are made anew
  const known = new Map(rows.map(row => [JSON.stringify(row), row]))
  return [...known.values()].sort((a, b) => compare(a.message, b.message) || compare(a.hints.join(), b.hints.join()))
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const unique = <T>(list: readonly T[]): T[] => [...new Set(list)]
const isBare = (text: string): boolean => /^<[^<>]*>$/.test(text)
const tidy = (text: string): string => text.replace(/\s+/g, ' ').trim()

/** Resolves relative imports only: packages and Node's own types play no part, and reading them takes seconds. */
function relativeOnly(): ts.CompilerHost {
  const host = ts.createCompilerHost({})
  host.resolveModuleNameLiterals = (literals, from) =>
    literals.map(({ text }) =>
      text.startsWith('.')
        ? { resolvedModule: { resolvedFileName: resolve(dirname(from), text), extension: ts.Extension.Ts } }
        : { resolvedModule: undefined },
    )
  return host
}

/** A message with so many letters of its own is clear without those that callers put into it. */
const WORDY = 30

type Callable = ts.FunctionDeclaration | ts.MethodDeclaration | ts.ArrowFunction | ts.FunctionExpression

/** The arguments that a caller gives for parameters, each with the bindings around the call. */
type Bindings = ReadonlyMap<ts.Node, { node: ts.Expression | undefined; given: Bindings }>

const UNBOUND: Bindings = new Map()

class Reader {
  private readonly checker: ts.TypeChecker
  private readonly callsOf = new Map<ts.Node, ts.CallExpression[]>()
  private readonly assigned = new Map<string, (ts.Expression | undefined)[]>()
  private readonly made: ts.NewExpression[] = []

  constructor(program: ts.Program) {
    this.checker = program.getTypeChecker()
    for (const source of program.getSourceFiles()) this.survey(source)
  }

  /** Notes all calls of our functions, all values given to properties, and where errors are made. */
  private survey(node: ts.Node): void {
    if (ts.isNewExpression(node) && node.expression.getText() === 'AppError') this.made.push(node)
    if (ts.isCallExpression(node)) note(this.callsOf, this.functionOf(node.expression), node)
    if (ts.isPropertyAssignment(node)) note(this.assigned, node.name.getText(), node.initializer)
    if (ts.isShorthandPropertyAssignment(node)) note(this.assigned, node.name.text, this.initializerOf(node.name))
    node.forEachChild(child => this.survey(child))
  }

  all(): FoundError[] {
    return this.made.flatMap(node => this.rowsOf(node, UNBOUND, 0))
  }

  /** The rows of the error `made`, which `node` makes or passes on: one for each caller if parameters are in a text. */
  private rowsOf(node: ts.NewExpression | ts.CallExpression, bound: Bindings, depth: number, made = node): FoundError[] {
    const [code, message, details] = made.arguments ?? []
    const wordy = this.texts(message, bound).every(text => text.replace(/<[^<>]*>/g, '').length >= WORDY)
    const needed = [code, hintIn(details), ...(wordy ? [] : [message])].flatMap(part => this.parametersIn(part, bound))
    const owner = needed.length > 0 && depth < 4 ? functionAround(node) : undefined
    const calls = owner && this.callsOf.get(owner)
    if (calls) {
      return calls.flatMap(call => {
        const inner = new Map(bound)
        owner.parameters.forEach((parameter, at) => inner.set(parameter, { node: call.arguments[at], given: bound }))
        return this.rowsOf(call, inner, depth + 1, made)
      })
    }
    const codes = this.texts(code, bound).filter(text => !text.startsWith('<'))
    const hints = this.hintsOf(details, bound)
    return this.texts(message, bound).map(text => ({ codes: unique(codes).sort(), message: text, hints }))
  }

  private hintsOf(details: ts.Expression | undefined, bound: Bindings): string[] {
    if (details === undefined) return []
    if (ts.isConditionalExpression(details)) return [...this.hintsOf(details.whenTrue, bound), ...this.hintsOf(details.whenFalse, bound)]
    const hint = hintIn(details)
    return hint === undefined ? [] : this.hint(hint, bound)
  }

  /** A hint that is read from a property can be all that our code gives to a property of that name. */
  private hint(node: ts.Expression, bound: Bindings): string[] {
    const given = ts.isPropertyAccessExpression(node) ? (this.assigned.get(node.name.text) ?? []).filter(value => value !== undefined) : []
    return given.length > 0 ? given.flatMap(value => this.texts(value, UNBOUND)) : this.texts(node, bound)
  }

  /** The parameters, not bound yet, that a text consists of or that are put into it as they are. */
  private parametersIn(node: ts.Expression | undefined, bound: Bindings): ts.ParameterDeclaration[] {
    const found: ts.ParameterDeclaration[] = []
    const visit = (each: ts.Expression): void => {
      if (ts.isIdentifier(each)) {
        const declaration = this.declarationOf(each)
        if (declaration && ts.isParameter(declaration) && !bound.has(declaration) && isText(declaration)) found.push(declaration)
        else if (declaration && isConstant(declaration) && declaration.initializer) visit(declaration.initializer)
      } else if (ts.isTemplateExpression(each)) each.templateSpans.forEach(span => visit(span.expression))
    }
    if (node) visit(node)
    return found
  }

  /** All texts that an expression can be, in words. */
  private texts(node: ts.Expression | undefined, bound: Bindings): string[] {
    if (node === undefined) return ['']
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return [node.text]
    if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node) || ts.isNonNullExpression(node))
      return this.texts(node.expression, bound)
    if (ts.isConditionalExpression(node)) return choices(this.texts(node.whenTrue, bound), this.texts(node.whenFalse, bound))
    if (ts.isTemplateExpression(node)) {
      return node.templateSpans.reduce(
        (texts, { expression, literal }) => product(texts, this.texts(expression, bound), literal.text),
        [node.head.text],
      )
    }
    if (ts.isBinaryExpression(node)) {
      const [left, right] = [this.texts(node.left, bound), this.texts(node.right, bound)]
      if (node.operatorToken.kind === ts.SyntaxKind.PlusToken) return [...left, ...right].every(isBare) ? ['<n>'] : product(left, right, '')
      if (node.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken) {
        const declaration = ts.isIdentifier(node.left) ? this.declarationOf(node.left) : undefined
        const given = declaration && bound.get(declaration)
        return given?.node && !left.every(isBare)
          ? left
          : choices(
              left.filter(text => text !== ''),
              right,
            )
      }
    }
    if (ts.isElementAccessExpression(node)) {
      const table = this.initializerOf(node.expression)
      if (table && ts.isObjectLiteralExpression(table))
        return table.properties.flatMap(property => this.texts(ts.isPropertyAssignment(property) ? property.initializer : undefined, bound))
    }
    if (ts.isIdentifier(node)) {
      const declaration = this.declarationOf(node)
      const given = declaration && bound.get(declaration)
      if (given) {
        const texts = this.texts(given.node, given.given)
        // a caller's variable says no more than the parameter's own name
        return texts.every(isBare) ? [placeholder(node)] : texts
      }
      const initializer = this.initializerOf(node)
      if (initializer) return this.constant(initializer, bound) ?? [placeholder(node)]
    }
    return [placeholder(node)]
  }

  /** The texts of a constant; undefined if they say no more than its name. */
  private constant(node: ts.Expression, bound: Bindings): string[] | undefined {
    if (
      ts.isCallExpression(node) ||
      ts.isPropertyAccessExpression(node) ||
      ts.isAwaitExpression(node) ||
      ts.isElementAccessExpression(node)
    )
      return undefined
    if (ts.isNumericLiteral(node)) return [node.text]
    const texts = this.texts(node, bound)
    return texts.every(isBare) ? undefined : texts
  }

  private declarationOf(node: ts.Expression): ts.Declaration | undefined {
    const shorthand = ts.isShorthandPropertyAssignment(node.parent) && this.checker.getShorthandAssignmentValueSymbol(node.parent)
    let symbol = shorthand || this.checker.getSymbolAtLocation(node)
    if (symbol && symbol.flags & ts.SymbolFlags.Alias) symbol = this.checker.getAliasedSymbol(symbol)
    return symbol?.valueDeclaration
  }

  private initializerOf(node: ts.Expression): ts.Expression | undefined {
    const declaration = this.declarationOf(node)
    return declaration && isConstant(declaration) ? declaration.initializer : undefined
  }

  /** The function or method of ours that an expression calls. */
  private functionOf(callee: ts.Expression): Callable | undefined {
    const declaration = this.declarationOf(callee)
    if (!declaration) return undefined
    if (ts.isFunctionDeclaration(declaration) || ts.isMethodDeclaration(declaration)) return declaration
    const initializer = hasInitializer(declaration) ? declaration.initializer : undefined
    return initializer && (ts.isArrowFunction(initializer) || ts.isFunctionExpression(initializer)) ? initializer : undefined
  }
}

/** The expression of `hint` among an error's details. */
function hintIn(details: ts.Expression | undefined): ts.Expression | undefined {
  if (!details || !ts.isObjectLiteralExpression(details)) return undefined
  const property = details.properties.find(({ name }) => name?.getText() === 'hint')
  if (!property) return undefined
  return ts.isPropertyAssignment(property) ? property.initializer : (property.name as ts.Identifier)
}

function note<K, V>(map: Map<K, V[]>, key: K | undefined, value: V): void {
  if (key === undefined) return
  const values = map.get(key)
  if (values) values.push(value)
  else map.set(key, [value])
}

const isConstant = (node: ts.Node): node is ts.VariableDeclaration =>
  ts.isVariableDeclaration(node) && (node.parent.flags & ts.NodeFlags.Const) !== 0
const hasInitializer = (
  node: ts.Node,
): node is ts.VariableDeclaration | ts.ParameterDeclaration | ts.PropertyDeclaration | ts.PropertyAssignment =>
  ts.isVariableDeclaration(node) || ts.isParameter(node) || ts.isPropertyDeclaration(node) || ts.isPropertyAssignment(node)
const isText = ({ type }: ts.ParameterDeclaration): boolean =>
  type !== undefined && /^(string( \| undefined)?|ErrorCode|'.*)$/.test(type.getText())

function functionAround(node: ts.Node): ts.SignatureDeclaration | undefined {
  for (let each: ts.Node | undefined = node.parent; each; each = each.parent) if (ts.isFunctionLike(each)) return each
  return undefined
}

/** A part that may be absent stands in brackets. */
function choices(some: string[], others: string[]): string[] {
  // a message has a text: where a value may be undefined, there is none
  const all = unique([...some, ...others]).filter(text => text !== '<undefined>')
  if (!all.includes('')) return all
  return all.filter(text => text !== '').map(text => `${/^\s*/.exec(text)![0]}[${text.trim()}]`)
}

function product(heads: string[], tails: string[], end: string): string[] {
  return heads.flatMap(head => tails.map(tail => head + tail + end))
}

/** `<local path>` for a value that is only known when the error happens. */
function placeholder(node: ts.Node): string {
  if (ts.isPropertyAccessExpression(node)) return /^(length|size)$/.test(node.name.text) ? '<n>' : named(node.name.text)
  if (ts.isCallExpression(node)) {
    const callee = node.expression
    const called = ts.isPropertyAccessExpression(callee) ? callee.name.text : callee.getText()
    if (called === 'messageOf') return '<why>'
    if (called === 'versionLabel') return '<version>'
    if (called === 'stringify') return `"${placeholder(node.arguments[0]!)}"`
    if (called === 'round' || called === 'toFixed') return '<n>'
    if (called === 'plural') {
      const [, noun] = node.arguments
      return noun && ts.isStringLiteral(noun) ? `<n> ${noun.text}s` : '<n>'
    }
    if (ts.isPropertyAccessExpression(callee) && !/^(Math|JSON|Object)$/.test(callee.expression.getText()))
      return placeholder(callee.expression)
    return node.arguments[0] ? placeholder(node.arguments[0]) : named(called)
  }
  if (ts.isIdentifier(node)) return named(node.text)
  const inner = ts.forEachChild(node, child =>
    ts.isIdentifier(child) || ts.isPropertyAccessExpression(child) || ts.isCallExpression(child) ? child : undefined,
  )
  return inner ? placeholder(inner) : '<n>'
}

function named(identifier: string): string {
  return `<${identifier
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replaceAll('_', ' ')
    .toLowerCase()}>`
}
