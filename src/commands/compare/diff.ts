import { existsSync } from 'node:fs'
import { sameAttributes } from '../../local/attributes.ts'
import type { LeftOut } from '../../local/left-out.ts'
import type { Entry } from '../../repository/format/manifest.ts'
import { versionLabel } from '../../repository/format/snapshot.ts'
import type { OpenRepository } from '../../repository/open/open.ts'
import { readManifest } from '../../repository/read/read-manifest.ts'
import { readLocalEntries, type LocalChoice } from '../../repository/source/local-entries.ts'
import { compareEntries, type Difference, type Entries } from '../../repository/versions/compare-versions.ts'
import { parseVersion } from '../../repository/versions/versions.ts'
import { formatCount, plural } from '../../ui/format.ts'
import { renderTable, type Column } from '../../ui/table.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { findVersion, openRepository } from '../shared/find-version.ts'
import { leftOutText, leftOutToJson, withoutLeftOut } from '../shared/left-out-report.ts'
import { ownFiles, prepareCache } from '../shared/own-files.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { chooseStore } from '../shared/store.ts'

const COLUMNS: Column[] = [{ title: '' }, { title: 'before', align: 'right' }, { title: 'after', align: 'right' }, { title: 'path' }]
const MARKS: Record<Difference['kind'], string> = { added: '+', removed: '-', changed: 'M', touched: 't' }

/** Shows which files differ between two versions, a version and a local folder, or two local folders. */
export async function diffCommand(session: Session, before: string, after: string): Promise<Outcome> {
  prepareCache(session)
  const skip = isLocal(before) && isLocal(after) ? undefined : ownFiles(session, await chooseStore(session))
  let repository: Promise<OpenRepository> | undefined
  const open = (): Promise<OpenRepository> => (repository ??= openRepository(session))
  const [left, right] = [await entriesOf(session, before, skip, open), await entriesOf(session, after, skip, open)]
  const found: Difference[] = []
  const same = isLocal(before) === isLocal(after) ? undefined : sameAttributes
  for await (const difference of compareEntries(left.entries, right.entries, same)) found.push(difference)
  const [first, second] = [left, right].map(({ name, leftOut }) => withoutLeftOut(name, leftOut))
  const human = found.length === 0 ? [`${first} and ${second} are equal.`] : describeDifferences(found, session.console.columns)
  for (const { name, leftOut } of [left, right]) if (leftOut.length > 0) human.push(`Left out of ${name}: ${leftOutText(leftOut)}`)
  session.console.print(human, {
    command: 'diff',
    before: left.name,
    after: right.name,
    differences: found.map(differenceToJson),
    leftOut: { before: leftOutToJson(left.leftOut), after: leftOutToJson(right.leftOut) },
  })
  return left.partly || right.partly ? 'partly' : 'done'
}

/** A table of the differences, and a line with the number of each kind. */
export function describeDifferences(found: readonly Difference[], columns: number): string[] {
  const rows = found.map(each => [
    MARKS[each.kind],
    sizeOf('before' in each ? each.before : undefined),
    sizeOf('after' in each ? each.after : undefined),
    each.path,
  ])
  return [...renderTable(COLUMNS, rows, columns), summary(found)]
}

interface Side {
  name: string
  entries: Entries
  /** Some local files could not be read. */
  partly: boolean
  /** Of a local folder: what is not compared. */
  leftOut: readonly LeftOut[]
}

/** Text that looks like a path is local. Names of versions contain no separators. */
const isLocal = (text: string): boolean => /[/\\]|^\.{1,2}$/.test(text)

async function entriesOf(session: Session, text: string, skip: LocalChoice['skip'], open: () => Promise<OpenRepository>): Promise<Side> {
  const { console, signal } = session
  if (isLocal(text)) {
    const choice = { path: text, excludes: [], skip }
    const { source, reading } = await readLocalEntries(choice, root => session.openCache(root), console.reporter, signal)
    const partly = source.failed + reading.failedFiles.length > 0
    return { name: source.root, entries: reading.entries, partly, leftOut: await source.leftOut.count(signal) }
  }
  const spec = parseVersion(text)
  const repository = await open()
  const snapshot = await findVersion(session, repository, spec).catch((error: unknown) => {
    if (!isAppError(error, 'not-found') || !existsSync(text)) throw error
    throw new AppError('not-found', error.message, { hint: `For the local folder, use ./${text}`, cause: error })
  })
  return { name: versionLabel(snapshot), entries: readManifest(repository, snapshot), partly: false, leftOut: [] }
}

function sizeOf(entry: Entry | undefined): string {
  return entry === undefined ? '' : entry.type === 'file' ? formatBytes(entry.size) : entry.type === 'directory' ? 'folder' : 'symlink'
}

function summary(found: readonly Difference[]): string {
  const count = (kind: Difference['kind']): number => found.filter(each => each.kind === kind).length
  const parts = (['added', 'removed', 'changed', 'touched'] as const)
    .filter(kind => count(kind) > 0)
    .map(kind => `${formatCount(count(kind))} ${kind}`)
  return `${plural(found.length, 'difference')}: ${parts.join(', ')}${count('touched') > 0 ? ' (t: only mode or time)' : ''}`
}

export function differenceToJson(each: Difference): object {
  const side = (entry: Entry): object => ({ type: entry.type, ...(entry.type === 'file' ? { size: entry.size } : {}) })
  return {
    kind: each.kind,
    path: each.path.toWellFormed(),
    ...('before' in each ? { before: side(each.before) } : {}),
    ...('after' in each ? { after: side(each.after) } : {}),
  }
}
