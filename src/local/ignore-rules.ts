import { AppError } from '../util/errors.ts'
import type { Effort } from '../util/name-pattern.ts'
import { namedPattern } from '../util/named-path.ts'
import { IdleLines } from './idle-lines.ts'
import { IgnorablePath, type IgnorePattern, literalOf, matchesPath, parseIgnorePattern, whyNeverMatches } from './ignore-pattern.ts'

export const IGNORE_FILE = '.colab-escape-ignore'
export const EXCLUDE = '--exclude'

/**
 * Steps of matching that the rules of a source may take: so many at once, and so many more for each path. Some thousand
 * patterns with wildcards take fewer. Without a limit, an ignore file that came with somebody's data could keep a push
 * busy for hours.
 */
const FREE_STEPS = 100_000_000
const STEPS_PER_PATH = 50_000

/** A pattern as a person writes it in an option: with escapes, and a path from the top may begin with `./`. */
const given = (pattern: string): string => namedPattern(pattern).replace(/^(!?)\.\//, '$1/')

/**
 * Throws `usage` for patterns that can't have an effect. `root`: where the paths are, if they are on this machine.
 */
export function checkPatterns(option: string, patterns: readonly string[], root?: string): void {
  for (const [i, pattern] of patterns.entries()) {
    const top = root === undefined ? undefined : `${root === '/' ? '' : root}/`
    const isAbsolute = top !== undefined && pattern.startsWith(top) && pattern.length > top.length
    const why = isAbsolute
      ? `paths begin in the folder itself: write ${JSON.stringify(pattern.slice(top.length - 1))}`
      : (whyNeverMatches(given(pattern)) ??
        (i === 0 && pattern.startsWith('!') ? 'no pattern before it matches what it takes back' : undefined))
    if (why !== undefined)
      throw new AppError('usage', `${option} ${JSON.stringify(pattern)} can't match anything: ${why}.`, {
        hint: 'Without a slash a pattern is a name anywhere, as in "*.tmp", with one a path from the top, as in "logs/old".',
      })
  }
}

/** The numbers of the last patterns with one text: of all, and of those that speak of more than folders. */
interface LastNumbers {
  any: number
  ofFiles: number
}

/** Patterns of one origin. The last that matches a path decides. */
class PatternList {
  /** The number of names of the folder that the patterns are relative to. */
  private readonly depth: number
  private readonly patterns: IgnorePattern[] = []
  /** Patterns without wildcards, by what they match: a name anywhere, or `/` and a path. */
  private readonly literals = new Map<string, LastNumbers>()
  private hasPaths = false
  /** The numbers of all others. */
  private readonly others: number[] = []

  /** Time and memory: linear in the length of the lines. */
  constructor(lines: readonly string[], folder = '') {
    this.depth = folder === '' ? 0 : folder.split('/').length
    for (const line of lines) {
      const pattern = parseIgnorePattern(line)
      if (pattern !== undefined) this.add(pattern, this.patterns.push(pattern) - 1)
    }
  }

  private add(pattern: IgnorePattern, number: number): void {
    const literal = literalOf(pattern)
    if (literal === undefined) this.others.push(number)
    else {
      const ofFiles = pattern.onlyFolders ? (this.literals.get(literal)?.ofFiles ?? -1) : number
      this.literals.set(literal, { any: number, ofFiles })
      this.hasPaths ||= !pattern.onlyName
    }
  }

  /** Whether the patterns ignore a path; undefined if none matches. */
  decide(path: IgnorablePath, effort: Effort): boolean | undefined {
    let last = this.lastLiteral(path.names.at(-1)!, path)
    if (this.hasPaths) last = Math.max(last, this.lastLiteral(path.below(this.depth), path))
    for (let i = this.others.length - 1; i >= 0 && this.others[i]! > last; i--) {
      const number = this.others[i]!
      if (matchesPath(this.patterns[number]!, path, this.depth, effort)) last = number
    }
    return last === -1 ? undefined : !this.patterns[last]!.negative
  }

  private lastLiteral(text: string, { isFolder }: IgnorablePath): number {
    const last = this.literals.get(text)
    return last === undefined ? -1 : isFolder ? last.any : last.ofFiles
  }
}

/**
 * Decides which paths of a source to ignore, by `--exclude` patterns and the ignore files of each folder, in gitignore
 * syntax. The deepest rule wins.
 */
export class IgnoreRules {
  private readonly excludes: PatternList
  /** Ignore files by folder ('' is the root). */
  private readonly files = new Map<string, PatternList>()
  /** The ignore files that count in the folder of the last path, the deepest first. */
  private near: { folder: string; files: { name: string; list: PatternList }[] } | undefined
  private readonly idle = new IdleLines()
  private readonly effort: Effort = { steps: 0 }
  private paths = 0

  constructor(excludes: readonly string[] = []) {
    this.excludes = new PatternList(excludes.map(given))
  }

  addFile(folder: string, content: string): void {
    const lines = `${content.replace(/^\ufeff/, '')}\n`.split(/\r?\n/)
    this.files.set(folder, new PatternList(lines, folder))
    this.idle.add(ignoreFileOf(folder), folder, lines)
    this.near = undefined
  }

  /**
   * What says that a path is ignored: `--exclude`, or the path of an ignore file. Undefined if nothing does. `path` is
   * relative to the root. Its parent folder must not be ignored. Throws `usage` if matching all paths takes too long:
   * the time is linear in their number.
   */
  ignoredBy(path: string, isDirectory: boolean): string | undefined {
    const { effort } = this
    if (effort.steps > FREE_STEPS + ++this.paths * STEPS_PER_PATH) throw tooMuchWork()
    const split = new IgnorablePath(path, isDirectory)
    if (this.excludes.decide(split, effort) === true) return EXCLUDE
    for (const { name, list } of this.filesNear(parentOf(path))) {
      const ignored = list.decide(split, effort)
      if (ignored !== undefined) return ignored ? name : undefined
    }
    return undefined
  }

  /** Which lines of the ignore files have no effect. Undefined if every line can have one. Call it after the walk. */
  describeIdleLines(): string | undefined {
    // a note must not be what takes too long
    const isCheap = (): boolean => this.effort.steps < FREE_STEPS / 2
    return this.idle.describe(folder => isCheap() && ![undefined, EXCLUDE].includes(this.ignoredBy(folder, true)))
  }

  private filesNear(folder: string): { name: string; list: PatternList }[] {
    if (this.near?.folder === folder) return this.near.files
    const files = []
    for (let at = folder; ; at = parentOf(at)) {
      const list = this.files.get(at)
      if (list) files.push({ name: ignoreFileOf(at), list })
      if (at === '') break
    }
    this.near = { folder, files }
    return files
  }
}

const ignoreFileOf = (folder: string): string => (folder === '' ? IGNORE_FILE : `${folder}/${IGNORE_FILE}`)

function tooMuchWork(): AppError {
  return new AppError('usage', `Comparing the files with all patterns of ${EXCLUDE} and ${IGNORE_FILE} files would take too long.`, {
    hint: `Use fewer or simpler patterns with wildcards, or remove a ${IGNORE_FILE} file that you do not need.`,
  })
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/**
 * Selects paths of a snapshot by `--only` and `--exclude`. A pattern that matches a folder covers everything below it.
 */
export function pathFilter(only: readonly string[], exclude: readonly string[]): (path: string, isDirectory: boolean) => boolean {
  const wanted = only.length > 0 ? coverOf(only) : undefined
  const unwanted = exclude.length > 0 ? coverOf(exclude) : undefined
  return (path, isDirectory) => (wanted === undefined || wanted(path, isDirectory)) && unwanted?.(path, isDirectory) !== true
}

/** Whether patterns match a path itself, whatever folder it is in. */
export function pathMatcher(patterns: readonly string[]): (path: string, isDirectory: boolean) => boolean {
  const list = new PatternList(patterns.map(given))
  const effort: Effort = { steps: 0 }
  return (path, isDirectory) => list.decide(new IgnorablePath(path, isDirectory), effort) === true
}

/** Whether patterns match a path or a folder that it is in. Remembers folders, so that each is matched once. */
function coverOf(patterns: readonly string[]): (path: string, isDirectory: boolean) => boolean {
  const list = new PatternList(patterns.map(given))
  const effort: Effort = { steps: 0 }
  const folders = new Map<string, boolean>()
  const covers = (path: string, isDirectory: boolean): boolean => {
    const parent = parentOf(path)
    const isInside = parent !== '' && (folders.get(parent) ?? covers(parent, true))
    const isCovered = isInside || list.decide(new IgnorablePath(path, isDirectory), effort) === true
    if (isDirectory) folders.set(path, isCovered)
    return isCovered
  }
  return covers
}
