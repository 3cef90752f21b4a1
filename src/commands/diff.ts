import { existsSync } from 'node:fs'
import { compareEntries, type Difference } from '../repository/compare.ts'
import type { OpenRepository } from '../repository/context.ts'
import { readLocalEntries } from '../repository/local-entries.ts'
import type { Entry } from '../repository/manifest.ts'
import { readManifest } from '../repository/manifest-reader.ts'
import { parseVersion, resolveVersion } from '../repository/versions.ts'
import { formatBytes, plural } from '../ui/format.ts'
import { renderTable, type Column } from '../ui/table.ts'
import { openRepository } from './open.ts'
import type { Outcome, Session } from './session.ts'

const COLUMNS: Column[] = [{ title: '' }, { title: 'before', align: 'right' }, { title: 'after', align: 'right' }, { title: 'path' }]
const MARKS: Record<Difference['kind'], string> = { added: '+', removed: '-', changed: 'M', touched: 't' }

/** Differences by file between two versions, a version and a local folder, or two local folders. */
export async function diffCommand(session: Session, before: string, after: string): Promise<Outcome> {
  let repository: Promise<OpenRepository> | undefined
  const open = (): Promise<OpenRepository> => (repository ??= openRepository(session))
  const [left, right] = [await entriesOf(session, before, open), await entriesOf(session, after, open)]
  const found: Difference[] = []
  for await (const difference of compareEntries(left.entries, right.entries)) found.push(difference)
  showDifferences(session, found, { command: 'diff', before: left.name, after: right.name }, `${left.name} and ${right.name} are equal.`)
  return left.partly || right.partly ? 'partly' : 'done'
}

export function showDifferences(session: Session, found: readonly Difference[], machine: object, whenNone: string): void {
  const rows = found.map(each => [
    MARKS[each.kind],
    sizeOf('before' in each ? each.before : undefined),
    sizeOf('after' in each ? each.after : undefined),
    each.path,
  ])
  const human = rows.length === 0 ? [whenNone] : [...renderTable(COLUMNS, rows, session.console.columns), summary(found)]
  session.console.print(human, { ...machine, differences: found.map(toMachine) })
}

interface Side {
  name: string
  entries: AsyncIterable<Entry>
  /** Some local files could not be read. */
  partly: boolean
}

/** What exists as a path, or is written like one (`./x`, `/x`, `../x`), is local; all else is a version. */
async function entriesOf(session: Session, text: string, open: () => Promise<OpenRepository>): Promise<Side> {
  const { console, signal } = session
  if (/^(\.{0,2}\/|\.{1,2}$)/.test(text) || (existsSync(text) && !/[@~]/.test(text))) {
    const { source, reading } = await readLocalEntries(text, [], root => session.openCache(root), console.reporter, signal)
    return { name: source.root, entries: iterate(reading.entries), partly: source.failed + reading.failedFiles.length > 0 }
  }
  const spec = parseVersion(text)
  const repository = await open()
  const snapshot = await resolveVersion(repository, repository.view, spec)
  return { name: `${snapshot.name}@${snapshot.id.slice(0, 8)}`, entries: readManifest(repository, snapshot), partly: false }
}

export async function* iterate<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

function sizeOf(entry: Entry | undefined): string {
  return entry === undefined ? '' : entry.type === 'file' ? formatBytes(entry.size) : entry.type === 'directory' ? 'folder' : 'symlink'
}

function summary(found: readonly Difference[]): string {
  const count = (kind: Difference['kind']): number => found.filter(each => each.kind === kind).length
  const parts = (['added', 'removed', 'changed', 'touched'] as const).filter(kind => count(kind) > 0).map(kind => `${count(kind)} ${kind}`)
  return `${plural(found.length, 'difference')}: ${parts.join(', ')}${count('touched') > 0 ? ' (t: only mode or time)' : ''}`
}

function toMachine(each: Difference): object {
  const side = (entry: Entry): object => ({ type: entry.type, ...(entry.type === 'file' ? { size: entry.size } : {}) })
  return {
    kind: each.kind,
    path: each.path.toWellFormed(),
    ...('before' in each ? { before: side(each.before) } : {}),
    ...('after' in each ? { after: side(each.after) } : {}),
  }
}
