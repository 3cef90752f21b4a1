import { statSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { realPathOf } from '../../local/real-path.ts'
import { replaceFile } from '../../local/replace-file.ts'
import { AppError, errnoOf, isFullDisk, messageOf } from '../../util/errors.ts'
import { makeFolder } from '../../util/file-system.ts'
import { inHome } from '../../util/paths.ts'
import { readSmallText } from '../../util/small-file.ts'

export const STORES_NAME = 'stores.toml'

const MAX_BYTES = 256 * 1024
const BEGINNING = `# The stores of colab-escape. You may edit this file: \`colab-escape use\` changes
# only the line that it is asked to change. \`colab-escape config\` shows what counts.
`

/** Names look like no path and no place on Drive, so that one word never means two stores. */
const STORE_NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._-]{0,63}$/u

export const isStoreName = (text: string): boolean => STORE_NAME.test(text)

/** The parts of the file. `default` stands before the first heading, the others are headings. */
export type Section = 'default' | 'stores' | 'folders'

export interface StoreSetting {
  section: Section
  /** The name of a store, or a folder; `default` for the default. */
  key: string
  value: string
  /** Where it stands in the file, from 1 on. */
  line: number
}

/**
 * The stores that a person has chosen: a default, names for stores, and the stores of folders. A change keeps every
 * other line of the file, with its comments, byte by byte.
 */
export class StoresFile {
  readonly path: string
  readonly settings: readonly StoreSetting[]
  private readonly lines: readonly string[]

  constructor(path: string, text: string) {
    this.path = path
    this.lines = text.split(/(?<=\n)/)
    this.settings = parse(this.lines, path)
  }

  find(section: Section, key: string): StoreSetting | undefined {
    return this.settings.find(each => each.section === section && each.key === key)
  }

  of(section: Section): StoreSetting[] {
    return this.settings.filter(each => each.section === section)
  }

  /** The file with another value of a setting; without the setting if there is no value. */
  with(section: Section, key: string, value: string | undefined): StoresFile {
    const lines = [...this.lines]
    const old = this.find(section, key)
    if (old) {
      const line = lines[old.line - 1]!
      lines.splice(old.line - 1, 1, ...(value === undefined ? [] : [replaceValue(line, value)]))
    } else if (value !== undefined) insert(lines, section, `${written(key, true)} = ${written(value, false)}\n`)
    return new StoresFile(this.path, lines.join(''))
  }

  /** Writes the file. A link to it stays a link. */
  async save(): Promise<void> {
    try {
      const path = realPathOf(this.path)
      makeFolder(dirname(path), { mode: 0o700 })
      await replaceFile(path, this.lines.join(''), { isDurable: true })
    } catch (error) {
      const isFull = isFullDisk(error)
      throw new AppError(isFull ? 'quota' : 'io', `${this.path} can't be written: ${messageOf(error)}.`, {
        hint: `${isFull ? 'Free some space there' : 'Fix the permissions of its folder'}, or name another folder with COLAB_ESCAPE_CONFIG.`,
        cause: error,
      })
    }
  }
}

/** Reads the file in a folder for settings, which may be absent. Errors: `usage` if it can't be trusted or read. */
export function readStoresFile(configFolder: string): StoresFile {
  const path = join(configFolder, STORES_NAME)
  let text: string
  try {
    text = readSmallText(path, { maxBytes: MAX_BYTES, mustBeOwn: true })
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '') || isOutOfReach(path)) return new StoresFile(path, BEGINNING)
    throw new AppError('usage', `${path} can't be used: ${messageOf(error)}.`, {
      hint: 'It decides where data goes, so it must be your file, and nobody else may change it (chmod go-w). Until then give --store as a path.',
      cause: error,
    })
  }
  return new StoresFile(path, text)
}

/**
 * Whether a folder above a path keeps this user out, as with the HOME of another user, which sudo and containers keep:
 * then nothing there is this user's choice.
 */
function isOutOfReach(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) === undefined
  } catch (error) {
    return errnoOf(error) === 'EACCES'
  }
}

// a subset of TOML: a key and a text in a line
const isEmpty = (line: string): boolean => /^\s*(?:#.*)?$/.test(line.trimEnd())
const HEADING = /^\s*\[\s*([\w-]+)\s*\]\s*(?:#.*)?$/
const TEXT = String.raw`"(?:[^"\\]|\\.)*"|'[^']*'`
const SETTING = new RegExp(String.raw`^(\s*([\w-]+|${TEXT})\s*=\s*)(${TEXT})(\s*(?:#.*)?)$`, 'u')

function parse(lines: readonly string[], path: string): StoreSetting[] {
  const settings: StoreSetting[] = []
  let section: Section = 'default'
  for (const [at, whole] of lines.entries()) {
    const line = whole.replace(/\r?\n$/, '')
    if (isEmpty(line)) continue
    const heading = HEADING.exec(line)?.[1]
    if (heading === 'stores' || heading === 'folders') {
      section = heading
      continue
    }
    const parts = SETTING.exec(line)
    const key = parts && plain(parts[2]!)
    const value = parts && plain(parts[3]!)
    if (key == null || value == null || value === '' || !isKeyOf(section, key)) throw notUnderstood(path, at + 1)
    if (settings.some(each => each.section === section && each.key === key))
      throw new AppError('usage', `${path} sets ${JSON.stringify(key)} twice, the second time in line ${at + 1}.`, {
        hint: 'Remove one of the two lines.',
      })
    settings.push({ section, key, value, line: at + 1 })
  }
  return settings
}

function isKeyOf(section: Section, key: string): boolean {
  if (section === 'default') return key === 'default'
  return section === 'stores' ? isStoreName(key) : isAbsolute(inHome(key))
}

function notUnderstood(path: string, line: number): AppError {
  return new AppError('usage', `Line ${line} of ${path} can't be read.`, {
    hint: 'Write default = "drive:" at the top, usb = "/media/usb/repo" below [stores], and "/home/me/project" = "usb" below [folders].',
  })
}

/** The text that a key or a value means. Undefined for an escape that there is not. */
function plain(written: string): string | undefined {
  if (written.startsWith("'")) return written.slice(1, -1)
  if (!written.startsWith('"')) return written
  try {
    return JSON.parse(written) as string
  } catch {
    return undefined
  }
}

/** As a key or a value stands in the file. Backslashes, as in paths of Windows, are easier to read without escapes. */
function written(text: string, isKey: boolean): string {
  if (isKey && /^[\w-]+$/.test(text)) return text
  return /^[^'\p{Cc}]*\\[^'\p{Cc}]*$/u.test(text) ? `'${text}'` : JSON.stringify(text)
}

function replaceValue(line: string, value: string): string {
  const [, end = ''] = /(\r?\n)?$/.exec(line)!
  const [, before = '', , , after = ''] = SETTING.exec(line.slice(0, line.length - end.length))!
  return `${before}${written(value, false)}${after}${end}`
}

/** Puts a line at the end of its section, before the blank lines and comments that lead to the next heading. */
function insert(lines: string[], section: Section, line: string): void {
  const heading = (text: string): string | undefined => HEADING.exec(text.trimEnd())?.[1]
  const start = section === 'default' ? 0 : lines.findLastIndex(text => heading(text) === section) + 1
  const last = lines.length - 1
  if (lines[last] !== '' && !lines[last]!.endsWith('\n')) lines[last] += '\n'
  if (section !== 'default' && start === 0) {
    lines.push('\n', `[${section}]\n`, line)
    return
  }
  const next = lines.findIndex((text, at) => at >= start && heading(text) !== undefined)
  let end = next < 0 ? lines.length : next
  while (next >= 0 && end > start && isEmpty(lines[end - 1]!)) end--
  // the comment at the top of the file stays there
  if (end === 0) while (/^\s*#/.test(lines[end] ?? '')) end++
  lines.splice(end, 0, line)
}
