import ignore, { type Ignore } from 'ignore'

export const IGNORE_FILE = '.colab-escape-ignore'
export const EXCLUDE = '--exclude'

function matcher(patterns: string | readonly string[]): Ignore {
  return ignore({ ignorecase: false, allowRelativePaths: true }).add(patterns)
}

/**
 * Decides which paths of a source to ignore, by `--exclude` patterns and the ignore files of each folder, in gitignore
 * syntax. The deepest rule wins.
 */
export class IgnoreRules {
  private readonly excludes: Ignore | undefined
  /** Ignore files by folder ('' is the root). */
  private readonly files = new Map<string, Ignore>()

  constructor(excludes: readonly string[] = []) {
    this.excludes = excludes.length > 0 ? matcher(excludes) : undefined
  }

  addFile(folder: string, content: string): void {
    this.files.set(folder, matcher(content))
  }

  /**
   * What says that a path is ignored: `--exclude`, or the path of an ignore file. Undefined if nothing does. `path` is
   * relative to the root. Its parent folder must not be ignored.
   */
  ignoredBy(path: string, isDirectory: boolean): string | undefined {
    const test = isDirectory ? `${path}/` : path
    if (this.excludes?.ignores(test)) return EXCLUDE
    for (let folder = parentOf(path); ; folder = parentOf(folder)) {
      const rules = this.files.get(folder)
      if (rules) {
        const result = rules.test(folder === '' ? test : test.slice(folder.length + 1))
        if (result.ignored) return folder === '' ? IGNORE_FILE : `${folder}/${IGNORE_FILE}`
        if (result.unignored) return undefined
      }
      if (folder === '') return undefined
    }
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/**
 * Selects paths of a snapshot by `--only` and `--exclude`. A pattern that matches a folder covers everything below it.
 */
export function pathFilter(only: readonly string[], exclude: readonly string[]): (path: string, isDirectory: boolean) => boolean {
  const onlyMatcher = only.length > 0 ? matcher(only) : undefined
  const unwanted = exclude.length > 0 ? matcher(exclude) : undefined
  return (path, isDirectory) => {
    const test = isDirectory ? `${path}/` : path
    return (onlyMatcher === undefined || onlyMatcher.ignores(test)) && !unwanted?.ignores(test)
  }
}
