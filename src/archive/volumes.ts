import { closeSync, openSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { readAtSync } from '../local/read-at.ts'
import { AppError, errnoOf } from '../util/errors.ts'
import { fsPath } from '../util/paths.ts'
import { formatOfContent } from './content-format.ts'
import { TAR_BLOCK_BYTES } from './tar-header.ts'

/** The names that split, 7z and others give to the parts of an archive: a stem, and a number or letters that count. */
const PART = /^(?<stem>.+\.(?:zip|7z|rar|tar|tgz|tzst|gz|zst)(?:[._-]?part)?[._-])(?<count>\d{2,4}|[a-z]{2,3})$/i

/**
 * Says what to do if the file at `path` is one of several parts that lie beside each other. Undefined if its name does
 * not say so, if it lies alone, or if the next part is an archive of its own.
 */
export function partOfSeveral(path: string, name: string): AppError | undefined {
  try {
    return lookBeside(path, name)
  } catch (error) {
    // a folder that can't be listed, or a part that can't be read, keeps nobody from reading this one
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
}

function lookBeside(path: string, name: string): AppError | undefined {
  const { stem, count } = PART.exec(basename(path))?.groups ?? {}
  if (stem === undefined || count === undefined) return undefined
  const folder = dirname(path)
  const parts = readdirSync(fsPath(folder))
    .filter(other => other.length === stem.length + count.length && other.startsWith(stem) && PART.exec(other)?.groups?.stem === stem)
    .sort()
  // letters begin with aa: the ending of another archive is none of them
  if (/^[a-z]+$/i.test(count) && !/^a+$/i.test(parts[0]!.slice(stem.length))) return undefined
  if (parts.length < 2 || isArchive(join(folder, parts[1]!))) return undefined
  const gap = parts.slice(1).find((part, i) => part.slice(stem.length) !== following(parts[i]!.slice(stem.length)))
  const missing = gap === undefined ? '' : ` A part before ${gap} is missing.`
  const whole = stem.replace(/(?:[._-]?part)?[._-]$/i, '')
  const glob = `${stem}${'?'.repeat(count.length)}`
  return new AppError(
    'unsupported',
    `${name} is one of ${parts.length} parts of an archive that lie beside each other, ${parts[0]!} to ${parts.at(-1)!}.${missing}`,
    {
      hint: /\.7z\.$/i.test(stem) ? `Use: 7z x ${parts[0]!}` : `Join them, then extract the whole: cat ${glob} > ${whole}`,
    },
  )
}

/** What counts one further. */
function following(count: string): string {
  if (/^\d+$/.test(count)) return String(Number(count) + 1).padStart(count.length, '0')
  const last = count.at(-1)!
  const carries = last.toLowerCase() === 'z'
  return carries && count.length > 1
    ? following(count.slice(0, -1)) + (last === 'z' ? 'a' : 'A')
    : count.slice(0, -1) + String.fromCharCode(last.charCodeAt(0) + 1)
}

function isArchive(path: string): boolean {
  const fd = openSync(fsPath(path), 'r')
  try {
    return formatOfContent(readAtSync(fd, 0, TAR_BLOCK_BYTES)) !== undefined
  } finally {
    closeSync(fd)
  }
}
