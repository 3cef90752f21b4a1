import type { LeftOut } from '../../local/left-out.ts'
import { plural } from '../../ui/format.ts'
import { jsonPath } from '../../ui/shown-path.ts'
import { wrapWords } from '../../ui/wrap.ts'
import { formatBytes } from '../../util/format-bytes.ts'

/** Maximum number of rules that are named. --json has all of them. */
const SHOWN = 5

/** Indented lines of a receipt: how much is left out of a source, and by what. None if nothing is. */
export function describeLeftOut(parts: readonly LeftOut[]): string[] {
  if (parts.length === 0) return []
  return wrapWords(`Left out: ${leftOutText(parts)}`, 78).map((line, i) => (i === 0 ? `  ${line}` : `    ${line}`))
}

/** `3 files, 1.20 GB, by ck/.colab-escape-ignore; 1 file, 4.00 kB, by --exclude`, the largest first. */
export function leftOutText(parts: readonly LeftOut[]): string {
  const largestFirst = [...parts].sort((a, b) => b.bytes - a.bytes || b.files - a.files)
  const rest = largestFirst.slice(SHOWN)
  const texts = largestFirst.slice(0, SHOWN).map(part => `${amountOf(part)} ${causeOf(part)}`)
  if (rest.length > 0) texts.push(`${amountOf(sumOf(rest))} by ${plural(rest.length, 'other rule')}`)
  return texts.join('; ')
}

function amountOf({ reason, files, folders, bytes, isAll }: LeftOut): string {
  const least = isAll ? '' : 'at least '
  if (files === 0) return `${plural(folders, isAll ? 'empty folder' : 'folder')}${isAll ? '' : ' with uncounted files'},`
  if (reason === 'special') return `${least}${plural(files, 'special file')}`
  return `${least}${plural(files, 'file')}, ${formatBytes(bytes)},`
}

function causeOf({ reason, ignoreFile }: LeftOut): string {
  if (reason === 'ignore-file') return `by ${ignoreFile}`
  if (reason === 'exclude') return 'by --exclude'
  if (reason === 'own') return 'of colab-escape itself'
  return reason === 'special' ? '(pipes, sockets, devices)' : 'of an interrupted pull'
}

function sumOf(parts: readonly LeftOut[]): LeftOut {
  const sum = { files: 0, folders: 0, bytes: 0, isAll: true }
  for (const { files, folders, bytes, isAll } of parts) {
    sum.files += files
    sum.folders += folders
    sum.bytes += bytes
    sum.isAll &&= isAll
  }
  return { reason: 'ignore-file', ignoreFile: undefined, ...sum }
}

/** The subject of a sentence that says of what is equal. */
export function withoutLeftOut(name: string, parts: readonly LeftOut[]): string {
  return parts.length === 0 ? name : `${name}, without what is left out,`
}

export function leftOutToJson(parts: readonly LeftOut[]): object[] {
  return parts.map(({ reason, ignoreFile, files, folders, bytes, isAll }) => ({
    reason,
    ignoreFile: ignoreFile === undefined ? null : jsonPath(ignoreFile),
    files,
    folders,
    bytes,
    isAll,
  }))
}
