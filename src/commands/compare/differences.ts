import type { Entry } from '../../repository/format/manifest.ts'
import type { Difference } from '../../repository/versions/compare-versions.ts'
import type { Console } from '../../ui/console.ts'
import { formatCount, plural } from '../../ui/format.ts'
import type { Line } from '../../ui/output.ts'
import { jsonPath, shownPath } from '../../ui/shown-path.ts'
import { renderTable, right, type Column } from '../../ui/table.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { comparePaths } from '../../util/paths.ts'
import type { Session } from '../shared/session.ts'
import { findMoves } from './find-moves.ts'

export interface DifferenceOptions {
  /** List every file, also those of new and removed folders. */
  all?: boolean
  /** Only the totals. */
  stat?: boolean
  /** End with another exit code if there are differences. */
  exitCode?: boolean
}

/** --verbose lists every file too. */
export function withVerbose<Options extends DifferenceOptions>({ options: { verbose } }: Session, options: Options): Options {
  return verbose === true ? { ...options, all: true } : options
}

type Kind = Difference['kind'] | 'renamed'

/** A line of the table: a path, or a folder with all files in it. */
interface Row {
  kind: Kind
  /** Where it stands in the order of the paths. */
  path: string
  text: string
  before: string
  after: string
}

const COLUMNS: Column[] = [{ title: '' }, right('before'), right('after'), { title: 'path' }]
const KINDS: readonly Kind[] = ['added', 'removed', 'renamed', 'changed', 'touched']
const MARKS: Record<Kind, string> = { added: '+', removed: '-', renamed: 'R', changed: 'M', touched: 't' }
/** Those of git. */
const COLOURS = { added: 'green', removed: 'red', changed: 'yellow', renamed: undefined, touched: undefined } as const
const LEAST_SHOWN = 10

/** Differences between two lists of files, ready to be shown. Files that were only moved count as one difference. */
export class Differences {
  readonly found: readonly Difference[]
  private readonly moves: ReadonlyMap<string, string>
  private readonly movedFrom: ReadonlyMap<string, string>

  constructor(found: readonly Difference[]) {
    this.found = found
    this.moves = findMoves(found)
    this.movedFrom = new Map([...this.moves].map(([to, from]) => [from, to]))
  }

  /** `head`: lines that follow the totals. Of the list a terminal shows what fits, so that the totals stay in sight. */
  describe(head: readonly string[], { columns, rows: height }: Pick<Console, 'columns' | 'rows'>, options: DifferenceOptions): Line[] {
    if (options.stat === true) return [...this.statTable(columns), ...head]
    const rows = options.all === true ? this.found.flatMap(each => this.rowOf(each)) : this.collapsed()
    // of a list that does not fit, other content is worth more than another time
    rows.sort((a, b) => Number(a.kind === 'touched') - Number(b.kind === 'touched') || comparePaths(a.path, b.path))
    const most = options.all === true ? Infinity : Math.max(LEAST_SHOWN, height - head.length - 5)
    const shown = rows.slice(0, rows.length === most + 1 ? most + 1 : most)
    const cells = shown.map(({ kind, before, after, text }) => [MARKS[kind], before, after, text])
    const [title = '', ...lines] = renderTable(COLUMNS, cells, columns)
    return [
      this.summary(),
      ...head,
      title,
      ...lines.map((text, at) => painted(text, shown[at]!.kind)),
      ...(shown.length < rows.length ? [`... and ${formatCount(rows.length - shown.length)} more (--all)`] : []),
    ]
  }

  toJson(): object[] {
    return this.found.map(each => ({
      kind: each.kind,
      path: jsonPath(each.path),
      ...('before' in each ? { before: sideToJson(each.before) } : {}),
      ...('after' in each ? { after: sideToJson(each.after) } : {}),
      ...(each.kind === 'added' && this.moves.has(each.path) ? { renamedFrom: jsonPath(this.moves.get(each.path)!) } : {}),
      ...(each.kind === 'removed' && this.movedFrom.has(each.path) ? { renamedTo: jsonPath(this.movedFrom.get(each.path)!) } : {}),
    }))
  }

  private kindOf(each: Difference): Kind | undefined {
    // a moved file counts where it is now
    if (each.kind === 'removed' && this.movedFrom.has(each.path)) return undefined
    return each.kind === 'added' && this.moves.has(each.path) ? 'renamed' : each.kind
  }

  private totals(): { kind: Kind; count: number; before: number; after: number }[] {
    const totals = KINDS.map(kind => ({ kind, count: 0, before: 0, after: 0 }))
    for (const each of this.found) {
      const total = totals.find(({ kind }) => kind === this.kindOf(each))
      if (!total) continue
      total.count++
      total.before += 'before' in each ? bytesOf(each.before) : 0
      total.after += 'after' in each ? bytesOf(each.after) : 0
    }
    return totals.filter(({ count }) => count > 0)
  }

  private summary(): string {
    const totals = this.totals()
    const parts = totals.map(({ kind, count, before, after }) => {
      const bytes = kind === 'added' ? after : kind === 'removed' ? before : 0
      return `${formatCount(count)} ${kind}${bytes > 0 ? ` (${formatBytes(bytes)})` : ''}`
    })
    const count = totals.reduce((sum, total) => sum + total.count, 0)
    const touched = totals.some(({ kind }) => kind === 'touched') ? ' (t: only mode or time)' : ''
    return `${plural(count, 'difference')}: ${parts.join(', ')}${touched}`
  }

  private statTable(columns: number): Line[] {
    const totals = this.totals()
    const cells = totals.map(({ kind, count, before, after }) => [
      kind,
      formatCount(count),
      kind === 'removed' || kind === 'changed' ? formatBytes(before) : '',
      kind === 'added' || kind === 'changed' || kind === 'renamed' ? formatBytes(after) : '',
    ])
    const [title = '', ...lines] = renderTable([{ title: '' }, right('count'), right('before'), right('after')], cells, columns)
    return [title, ...lines.map((text, at) => painted(text, totals[at]!.kind))]
  }

  private rowOf(each: Difference): Row[] {
    const kind = this.kindOf(each)
    if (kind === undefined) return []
    const { path } = each
    return [
      {
        kind,
        path,
        text: kind === 'renamed' ? `${shownPath(this.moves.get(path)!)} -> ${shownPath(path)}` : shownPath(path),
        before: sizeOf('before' in each ? each.before : undefined),
        after: sizeOf('after' in each ? each.after : undefined),
      },
    ]
  }

  /** New and removed folders are one line each, and so is a folder whose files are now in another one. */
  private collapsed(): Row[] {
    const folders = { added: topFolders(this.found, 'added'), removed: topFolders(this.found, 'removed') }
    const groups = new Map<string, Group>()
    const groupFor = (kind: Group['kind'], path: string, from?: string): Group => {
      const key = `${kind} ${path}\0${from ?? ''}`
      const group = groups.get(key) ?? { kind, path, from, files: 0, bytes: 0 }
      groups.set(key, group)
      return group
    }
    const rows: Row[] = []
    for (const each of this.found) {
      const kind = this.kindOf(each)
      const { path } = each
      const folder = each.kind === 'added' || each.kind === 'removed' ? folders[each.kind](path) : undefined
      if (folder === undefined) rows.push(...this.rowOf(each))
      else if (kind === 'renamed') {
        const from = this.moves.get(path)!
        const fromFolder = folders.removed(from)
        const isWhole = fromFolder !== undefined && from.slice(fromFolder.length) === path.slice(folder.length)
        if (isWhole) count(groupFor('renamed', folder, fromFolder), each)
        else rows.push(...this.rowOf(each))
      } else if (kind !== undefined && (each.kind === 'added' || each.kind === 'removed')) count(groupFor(each.kind, folder), each)
    }
    // of a folder whose files all were moved, the lines of these tell enough
    const moved = new Set([...this.moves].flatMap(([to, from]) => [folders.added(to), folders.removed(from)]))
    return [...rows, ...[...groups.values()].filter(({ files, path }) => files > 0 || !moved.has(path)).map(groupRow)]
  }
}

interface Group {
  kind: 'added' | 'removed' | 'renamed'
  path: string
  from: string | undefined
  files: number
  bytes: number
}

function count(group: Group, each: Difference): void {
  const entry = 'after' in each ? each.after : each.before
  if (entry.type === 'directory') return
  group.files++
  group.bytes += bytesOf(entry)
}

function groupRow({ kind, path, from, files, bytes }: Group): Row {
  const size = files === 0 ? 'folder' : formatBytes(bytes)
  const name = from === undefined ? `${shownPath(path)}/` : `${shownPath(from)}/ -> ${shownPath(path)}/`
  const text = `${name} (${files === 0 ? 'empty' : plural(files, 'file')})`
  return { kind, path, text, before: kind === 'removed' ? size : '', after: kind === 'removed' ? '' : size }
}

/** Finds the topmost folder, new or removed, that a path is or lies in. */
function topFolders(found: readonly Difference[], kind: 'added' | 'removed'): (path: string) => string | undefined {
  const folders = new Set<string>()
  for (const each of found) {
    const entry = each.kind !== kind ? undefined : 'after' in each ? each.after : each.before
    if (entry?.type === 'directory') folders.add(entry.path)
  }
  return path => {
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1))
      if (folders.has(path.slice(0, end))) return path.slice(0, end)
    return folders.has(path) ? path : undefined
  }
}

function painted(text: string, kind: Kind): Line {
  const colour = COLOURS[kind]
  return colour === undefined ? text : { text, colour }
}

const bytesOf = (entry: Entry): number => (entry.type === 'file' ? entry.size : 0)

function sizeOf(entry: Entry | undefined): string {
  return entry === undefined ? '' : entry.type === 'file' ? formatBytes(entry.size) : entry.type === 'directory' ? 'folder' : 'symlink'
}

const sideToJson = (entry: Entry): object => ({ type: entry.type, ...(entry.type === 'file' ? { size: entry.size } : {}) })
