/*
 * The lines of a watch on the screen and in its log.
 */

import type { StoredSnapshot } from '../../repository/format/snapshot.ts'
import { versionLabel } from '../../repository/format/snapshot.ts'
import { describeIncomplete, describeMetrics, formatDuration, plural } from '../../ui/format.ts'
import { shortenEnd, shortenMiddle, textWidth } from '../../ui/width.ts'
import { formatBytes } from '../../util/format-bytes.ts'

/** Width of a line in a log. */
const COLUMNS = 80
/** Of the name of what was saved, at least. */
const MIN_NAME = 16
export const INDENT = ' '.repeat(9)

/** One version in one line: what is new, what it took, and as much of the rest as there is room for. */
export function savedLine(clock: string, snapshot: StoredSnapshot, files: readonly string[], storedBytes: number): string {
  const { metrics, incomplete } = snapshot
  const head = `${clock} saved ${versionLabel(snapshot)}: `
  const size = ` (${formatBytes(storedBytes)})`
  const what = whatIsNew(snapshot, files)
  const facts = [
    ...(incomplete === undefined ? [] : [describeIncomplete(incomplete)]),
    ...Object.entries(metrics).map(([name, value]) => describeMetrics({ [name]: value })),
  ]
  const room = COLUMNS - textWidth(head) - textWidth(size)
  let tail = ''
  for (const fact of facts) if (Math.min(textWidth(what), MIN_NAME) + textWidth(tail) + 2 + textWidth(fact) <= room) tail += `; ${fact}`
  return shortenEnd(`${head}${shortenMiddle(what, Math.max(MIN_NAME, room - textWidth(tail)))}${size}${tail}`, COLUMNS)
}

/** The checkpoint, or the newest file and how many others. */
function whatIsNew({ checkpoint }: StoredSnapshot, files: readonly string[]): string {
  const isWhole = checkpoint !== undefined && files.every(file => file === checkpoint || file.startsWith(`${checkpoint}/`))
  const [newest = 'nothing new'] = files.slice(-1)
  return isWhole ? checkpoint : files.length < 2 ? newest : `${newest} and ${plural(files.length - 1, 'other file')}`
}

export function forgottenLine(forgotten: readonly StoredSnapshot[]): string {
  const labels = forgotten.map(versionLabel)
  for (let shown = labels.length; shown > 1; shown--) {
    const more = labels.length - shown
    const line = `${INDENT}forgot ${labels.slice(0, shown).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
    if (textWidth(line) <= COLUMNS) return line
  }
  return `${INDENT}forgot ${labels[0]}${labels.length > 1 ? ` and ${labels.length - 1} more` : ''}`
}

/** What a watch is doing between two versions. */
export interface Doing {
  name: string
  isStopping: boolean
  versions: number
  storedBytes: number
  /** Paths of files that are being written, and of finished ones that wait. */
  written: readonly string[]
  waiting: readonly string[]
  trouble: string | undefined
  /** When it looks again, and when it may make the next version, ms. */
  nextLook: number
  nextVersion: number
}

const TROUBLE = 'nothing can be saved: '
/** How late (ms) a look may be before the line says so. */
const LATE_MS = 3_000

/** The live line: the most important parts that fit into `width` columns. */
export function doingLine(doing: Doing, now: number, width: number): string {
  const { name, isStopping, versions, storedBytes, written, waiting, trouble, nextLook, nextVersion } = doing
  const made = versions === 0 ? [] : [`${plural(versions, 'version')} (${formatBytes(storedBytes)} stored)`]
  const parts = [`${isStopping ? 'stopping' : 'watching'} ${name}${made.length > 0 ? `: ${made[0]}` : ''}`]
  if (trouble !== undefined) parts.push(`${TROUBLE}${trouble}`)
  if (waiting.length > 0) {
    const when = nextVersion > now && !isStopping ? ` in ${seconds(nextVersion - now)}` : ''
    parts.push(`saving ${named(waiting)}${when}`)
  }
  if (written.length > 0) parts.push(`writing ${named(written)}`)
  if (now > nextLook + LATE_MS) parts.push(`looking since ${seconds(now - nextLook)}`)
  else if (trouble === undefined && waiting.length + written.length === 0) parts.push('nothing new')
  if (now <= nextLook) parts.push(`next look in ${seconds(nextLook - now)}`)
  let line = parts[0]!
  for (const part of parts.slice(1)) if (textWidth(line) + 2 + textWidth(part) <= width || part.startsWith(TROUBLE)) line += `; ${part}`
  return line
}

const seconds = (ms: number): string => (ms < 60_000 ? `${Math.ceil(ms / 1000)} s` : formatDuration(ms))

function named(paths: readonly string[]): string {
  return paths.length === 1 ? shortenMiddle(paths[0]!, 30) : plural(paths.length, 'file')
}
