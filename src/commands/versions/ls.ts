import type { Entry } from '../../repository/format/manifest.ts'
import { versionLabel, type StoredSnapshot } from '../../repository/format/snapshot.ts'
import type { OpenRepository } from '../../repository/open/open.ts'
import { findEntry, readManifest } from '../../repository/read/read-manifest.ts'
import { parseVersionOrPath } from '../../repository/versions/versions.ts'
import { describeIncomplete, localTime } from '../../ui/format.ts'
import { jsonPath, shownPath } from '../../ui/shown-path.ts'
import { renderTable } from '../../ui/table.ts'
import { AppError } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { findVersion, openRepository } from '../shared/find-version.ts'
import type { Outcome, Session } from '../shared/session.ts'

export interface LsOptions {
  recursive?: boolean
}

/**
 * Lists a path of a version: a file itself, or the entries of a folder, with `recursive` everything below it. Without a
 * version, lists the names.
 */
export async function lsCommand(
  session: Session,
  text: string | undefined,
  below: string | undefined,
  options: LsOptions,
): Promise<Outcome> {
  if (text === undefined) return (await import('./ls-names.ts')).lsNamesCommand(session)
  const { version: spec, path = below } = parseVersionOrPath(text)
  if (path !== below && below !== undefined)
    throw new AppError('usage', `${JSON.stringify(text)} already has a path.`, { hint: `Write the whole path: ${text}/${below}` })
  const repository = await openRepository(session)
  const snapshot = await findVersion(session, repository, spec)
  if (snapshot.incomplete) session.console.reporter.note(`${versionLabel(snapshot)} is ${describeIncomplete(snapshot.incomplete)}`)
  const base = await pathIn(repository, snapshot, (path ?? '').replace(/^\.?\/+/, '').replace(/\/+$/, ''))
  const shown: Entry[] = []
  let exists = base === '' || base === '.'
  for await (const entry of readManifest(repository, snapshot)) {
    if (entry.path === base) exists = true
    if (isShown(entry, exists && base === '.' ? '' : base, options.recursive === true)) shown.push(entry)
  }
  if (!exists)
    throw new AppError('not-found', `${JSON.stringify(base)} is not in ${versionLabel(snapshot)}.`, {
      hint: `List what is there: colab-escape ls ${versionLabel(snapshot)}`,
    })
  const rows = shown.map(entry => [
    modeText(entry),
    entry.type === 'file' ? formatBytes(entry.size) : '',
    localTime(Number(entry.mtime / 1_000_000n)),
    nameText(entry),
  ])
  const columns = [{ title: 'mode' }, { title: 'size', align: 'right' as const }, { title: 'modified' }, { title: 'path' }]
  const human = rows.length === 0 ? ['Empty.'] : renderTable(columns, rows, session.console.columns)
  session.console.print(human, { command: 'ls', name: snapshot.name, version: snapshot.id, entries: shown.map(entryToJson) })
  return 'done'
}

/** The path that a person names. Only one that may be read in several ways is looked for. */
async function pathIn(repository: OpenRepository, snapshot: StoredSnapshot, written: string): Promise<string> {
  const entry = /^[^\\\ufffd]*$/.test(written) ? undefined : await findEntry(repository, snapshot, written)
  return entry?.path ?? written
}

function isShown(entry: Entry, base: string, recursive: boolean): boolean {
  if (entry.path === base) return entry.type !== 'directory'
  if (base !== '' && !entry.path.startsWith(`${base}/`)) return false
  const below = base === '' ? entry.path : entry.path.slice(base.length + 1)
  return recursive || !below.includes('/')
}

/** As `ls -l` shows it: `s` and `t` are special bits that stand with an `x`, `S` and `T` those without. */
function modeText(entry: Entry): string {
  const kind = entry.type === 'directory' ? 'd' : entry.type === 'symlink' ? 'l' : '-'
  const who = (shift: number, special: number, letter: string): string => {
    const bits = (entry.mode >> shift) & 7
    const executes = (bits & 1) !== 0
    const last = (entry.mode & special) === 0 ? (executes ? 'x' : '-') : executes ? letter : letter.toUpperCase()
    return `${(bits & 4) !== 0 ? 'r' : '-'}${(bits & 2) !== 0 ? 'w' : '-'}${last}`
  }
  return kind + who(6, 0o4000, 's') + who(3, 0o2000, 's') + who(0, 0o1000, 't')
}

function nameText(entry: Entry): string {
  const path = shownPath(entry.path)
  return entry.type === 'directory' ? `${path}/` : entry.type === 'symlink' ? `${path} -> ${shownPath(entry.target)}` : path
}

function entryToJson(entry: Entry): object {
  const base = {
    path: jsonPath(entry.path),
    type: entry.type,
    mode: entry.mode.toString(8),
    mtime: entry.mtime.toString(),
    modified: isoTime(entry.mtime),
  }
  return entry.type === 'file'
    ? { ...base, size: entry.size }
    : entry.type === 'symlink'
      ? { ...base, target: jsonPath(entry.target) }
      : base
}

/** Null for a time that no calendar has. */
function isoTime(mtime: bigint): string | null {
  const time = new Date(Number(mtime / 1_000_000n))
  return Number.isNaN(time.getTime()) ? null : time.toISOString()
}
