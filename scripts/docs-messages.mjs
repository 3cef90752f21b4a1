// Reads off the sources which errors the program can give: every `new AppError(...)`, with the functions that pass messages on to it followed to their callers.
import { dirname, resolve } from 'node:path'
import ts from 'typescript'

/**
 * The errors of the program that begins in these TypeScript files, each `{codes, message, hints}`: `codes` empty where it is that of the error that caused it;
 * texts with `<placeholders>`; `hints` empty where the code's own hint is shown. Sorted, each once.
 */
export function readErrors(entryPoints) {
  const options = { noLib: true, types: [], allowImportingTsExtensions: true, noEmit: true, target: ts.ScriptTarget.ES2023 }
  const rows = new Reader(ts.createProgram(entryPoints, options, relativeOnly()))
    .all()
    .map(row => ({ ...row, message: tidy(row.message), hints: unique(row.hints.map(tidy)) }))
    .filter(({ message }) => !isBare(message)) // errors that come from a worker are made anew
  const known = new Map(rows.map(row => [JSON.stringify(row), row]))
  return [...known.values()].sort((a, b) => compare(a.message, b.message) || compare(a.hints.join(), b.hints.join()))
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0)
const unique = list => [...new Set(list)]
const isBare = text => /^<[^<>]*>$/.test(text)
const tidy = text => text.replace(/\s+/g, ' ').trim()

/** Packages and Node's own types play no part, and reading them takes seconds. */
function relativeOnly() {
  const host = ts.createCompilerHost({})
  host.resolveModuleNameLiterals = (literals, from) =>
    literals.map(({ text }) =>
      text.startsWith('.')
        ? { resolvedModule: { resolvedFileName: resolve(dirname(from), text), extension: ts.Extension.Ts } }
        : { resolvedModule: undefined },
    )
  return host
}

/** A message with so many letters of its own says enough without those that callers put into it. */
const WORDY = 30

class Reader {
  constructor(program) {
    this.checker = program.getTypeChecker()
    this.callsOf = new Map()
    this.assigned = new Map()
    this.made = []
    for (const source of program.getSourceFiles()) this.survey(source)
  }

  /** Notes all calls of our functions, all values given to properties, and where errors are made. */
  survey(node) {
    if (ts.isNewExpression(node) && node.expression.getText() === 'AppError') this.made.push(node)
    if (ts.isCallExpression(node)) note(this.callsOf, this.functionOf(node.expression), node)
    if (ts.isPropertyAssignment(node)) note(this.assigned, node.name.getText(), node.initializer)
    if (ts.isShorthandPropertyAssignment(node)) note(this.assigned, node.name.text, this.initializerOf(node.name))
    node.forEachChild(child => this.survey(child))
  }

  all() {
    return this.made.flatMap(node => this.rowsOf(node, new Map(), 0))
  }

  /** `bound` maps parameters to what a caller gives for them. Where a text rests on parameters, there is a row for each caller. */
  rowsOf(node, bound, depth, made = node) {
    const [code, message, details] = made.arguments
    const wordy = this.texts(message, bound).every(text => text.replace(/<[^<>]*>/g, '').length >= WORDY)
    const needed = [code, hintIn(details), ...(wordy ? [] : [message])].flatMap(part => this.parametersIn(part, bound))
    const owner = needed.length > 0 && depth < 4 ? functionAround(node) : undefined
    const calls = owner ? (this.callsOf.get(owner) ?? []) : []
    if (calls.length > 0) {
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

  hintsOf(details, bound) {
    if (details === undefined) return []
    if (ts.isConditionalExpression(details)) return [...this.hintsOf(details.whenTrue, bound), ...this.hintsOf(details.whenFalse, bound)]
    const hint = hintIn(details)
    return hint === undefined ? [] : this.hint(hint, bound)
  }

  /** A hint that was handed on as a property of something: whatever our code gives to a property of that name. */
  hint(node, bound) {
    const given = ts.isPropertyAccessExpression(node) ? (this.assigned.get(node.name.text) ?? []).filter(value => value !== undefined) : []
    return given.length > 0 ? given.flatMap(value => this.texts(value, new Map())) : this.texts(node, bound)
  }

  /** Parameters of the function around, not bound yet, that a text consists of or that are put into it as they are. */
  parametersIn(node, bound) {
    const found = []
    const visit = each => {
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
  texts(node, bound) {
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
        const given = bound.get(ts.isIdentifier(node.left) ? this.declarationOf(node.left) : undefined)
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
      if (table && ts.isObjectLiteralExpression(table)) return table.properties.flatMap(({ initializer }) => this.texts(initializer, bound))
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

  /** What a constant is, where that is a text worth showing. */
  constant(node, bound) {
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

  declarationOf(node) {
    const shorthand = ts.isShorthandPropertyAssignment(node.parent) && this.checker.getShorthandAssignmentValueSymbol(node.parent)
    let symbol = shorthand || this.checker.getSymbolAtLocation(node)
    if (symbol && symbol.flags & ts.SymbolFlags.Alias) symbol = this.checker.getAliasedSymbol(symbol)
    return symbol?.valueDeclaration
  }

  initializerOf(node) {
    const declaration = this.declarationOf(node)
    return declaration && isConstant(declaration) ? declaration.initializer : undefined
  }

  /** The function or method that an expression calls, where it is one of ours. */
  functionOf(callee) {
    const declaration = this.declarationOf(callee)
    if (!declaration) return undefined
    if (ts.isFunctionDeclaration(declaration) || ts.isMethodDeclaration(declaration)) return declaration
    const { initializer } = declaration
    return initializer && (ts.isArrowFunction(initializer) || ts.isFunctionExpression(initializer)) ? initializer : undefined
  }
}

/** The expression of `hint` among an error's details. */
function hintIn(details) {
  if (!details || !ts.isObjectLiteralExpression(details)) return undefined
  const property = details.properties.find(({ name }) => name?.getText() === 'hint')
  return property && (property.initializer ?? property.name)
}

function note(map, key, value) {
  if (key === undefined) return
  if (map.has(key)) map.get(key).push(value)
  else map.set(key, [value])
}

const isConstant = node => ts.isVariableDeclaration(node) && (node.parent.flags & ts.NodeFlags.Const) !== 0
const isText = ({ type }) => type !== undefined && /^(string( \| undefined)?|ErrorCode|'.*)$/.test(type.getText())

function functionAround(node) {
  for (let each = node.parent; each; each = each.parent) if (ts.isFunctionLike(each)) return each
  return undefined
}

/** A part that may be absent stands in brackets. */
function choices(some, others) {
  const all = unique([...some, ...others])
  if (!all.includes('')) return all
  return all.filter(text => text !== '').map(text => `${/^\s*/.exec(text)[0]}[${text.trim()}]`)
}

function product(heads, tails, end) {
  return heads.flatMap(head => tails.map(tail => head + tail + end))
}

/** `<local path>` for a value that is only known when the error happens. */
function placeholder(node) {
  if (ts.isPropertyAccessExpression(node)) return /^(length|size)$/.test(node.name.text) ? '<n>' : named(node.name.text)
  if (ts.isCallExpression(node)) {
    const callee = node.expression
    const called = ts.isPropertyAccessExpression(callee) ? callee.name.text : callee.getText()
    if (called === 'messageOf') return '<why>'
    if (called === 'versionLabel') return '<version>'
    if (called === 'stringify') return `"${placeholder(node.arguments[0])}"`
    if (called === 'round' || called === 'toFixed') return '<n>'
    if (called === 'plural') return ts.isStringLiteral(node.arguments[1]) ? `<n> ${node.arguments[1].text}s` : '<n>'
    if (ts.isPropertyAccessExpression(callee) && !/^(Math|JSON|Object)$/.test(callee.expression.getText()))
      return placeholder(callee.expression)
    return node.arguments.length > 0 ? placeholder(node.arguments[0]) : named(called)
  }
  if (ts.isIdentifier(node)) return named(node.text)
  const inner = ts.forEachChild(node, child =>
    ts.isIdentifier(child) || ts.isPropertyAccessExpression(child) || ts.isCallExpression(child) ? child : undefined,
  )
  return inner ? placeholder(inner) : '<n>'
}

function named(identifier) {
  return `<${identifier
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replaceAll('_', ' ')
    .toLowerCase()}>`
}
