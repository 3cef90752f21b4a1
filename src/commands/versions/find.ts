import { closeSync, openSync, statSync } from 'node:fs'
import { pathMatcher } from '../../local/ignore-rules.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import type { Entry, FileEntry } from '../../repository/format/manifest.ts'
import { isPending, versionLabel, type StoredSnapshot } from '../../repository/format/snapshot.ts'
import type { OpenRepository } from '../../repository/open/open.ts'
import { matchingChunks } from '../../repository/pull/compare-file.ts'
import { contentId } from '../../repository/versions/content.ts'
import { findFiles, type ContentRun, type FoundPath } from '../../repository/versions/find-files.ts'
import { timeRange } from '../../repository/versions/moments.ts'
import { parseName, unknownName } from '../../repository/versions/names.ts'
import { readEach } from '../../repository/versions/versions.ts'
import { formatCount, localTime, plural } from '../../ui/format.ts'
import { jsonPath, shownPath } from '../../ui/shown-path.ts'
import { renderTable, right } from '../../ui/table.ts'
import { shortenMiddle } from '../../ui/width.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { openRepository } from '../shared/find-version.ts'
import type { Outcome, Session } from '../shared/session.ts'

export interface FindCommandOptions {
  content?: string
  name?: string[]
  since?: string
  until?: string
  all?: boolean
}

/** Digits of the id of a content. With fewer, too many words would be ids. */
const CONTENT_ID = /^[0-9a-f]{8,64}$/i

interface Damaged {
  name: string
  version: string
  time: string
  why: string
}

/** Finds files of all versions by pattern or content: which versions have them, and since when they are gone. */
export async function findCommand(session: Session, pattern: string | undefined, options: FindCommandOptions): Promise<Outcome> {
  const { content: file } = options
  if ((pattern === undefined) === (file === undefined))
    throw new AppError('usage', pattern === undefined ? 'What should be found?' : '--content finds a file by its content alone.', {
      hint: 'Use e.g. colab-escape find "*.csv", colab-escape find 1a2b3c4d or colab-escape find --content ./labels.csv',
    })
  const names = options.name?.map(parseName)
  timeRange(options, 0)
  const repository = await openRepository(session)
  const { console } = session
  const versions = await chooseVersions(session, repository, names, options)
  const damaged = versions.damaged
  const matches = file === undefined ? byPattern(pattern!) : await byContent(repository, file)
  const found = await findFiles(repository, versions.readable, {
    matches: matches.test,
    onVersion: (doneFiles, totalFiles) => console.reporter.progress({ phase: 'searching', doneFiles, totalFiles }),
    onDamage: (version, { message }) => {
      console.reporter.warn(message)
      damaged.push(damageOf(version.ref, version.id, message))
    },
  }).finally(() => matches.close?.())
  const searched = versions.readable.length
  if (found.length === 0 && damaged.length === 0) throw nothingFound(pattern, file, searched)
  console.print(describe(found, searched, console, options.all === true), {
    command: 'find',
    files: found.map(foundToJson),
    searched,
    damaged,
  })
  return damaged.length > 0 ? 'damaged' : 'done'
}

async function chooseVersions(
  { console }: Session,
  repository: OpenRepository,
  names: readonly string[] | undefined,
  options: FindCommandOptions,
): Promise<{ readable: StoredSnapshot[]; damaged: Damaged[] }> {
  const { view } = repository
  const { snapshots, now } = view.inventory
  const there = new Set(snapshots.map(({ name }) => name))
  const wanted = names && new Set(names)
  const unknown = names?.find(name => !there.has(name))
  if (unknown !== undefined)
    throw unknownName(
      repository.storage.location,
      snapshots.map(({ name }) => name),
      unknown,
    )
  const { since, until } = timeRange(options, now)
  const isWanted = (name: string, time: number): boolean => wanted?.has(name) !== false && since <= time && time <= until
  const read = await readEach(
    repository,
    view,
    snapshots.filter(({ name, effectiveTime }) => isWanted(name, effectiveTime)),
  )
  const damaged = read.flatMap(({ ref, version }) => (isAppError(version) ? [damageOf(ref, ref.shortId, version.message)] : []))
  for (const { why } of damaged) console.reporter.warn(why)
  const readable = read.flatMap(({ version }) => (isAppError(version) || isPendingIn(version, repository) ? [] : [version]))
  return { readable, damaged }
}

const isPendingIn = (version: StoredSnapshot, { view }: OpenRepository): boolean =>
  version.lacksChunks === true && isPending(version, view.inventory)

const damageOf = (ref: StoredSnapshot['ref'], version: string, why: string): Damaged => ({
  name: ref.name,
  version: version.slice(0, 16),
  time: new Date(ref.effectiveTime).toISOString(),
  why,
})

interface Matcher {
  test: (entry: Entry) => boolean | Promise<boolean>
  close?: () => void
}

function byPattern(pattern: string): Matcher {
  const matches = pathMatcher([pattern])
  const id = CONTENT_ID.test(pattern) ? pattern.toLowerCase() : undefined
  return {
    test: entry =>
      matches(entry.path, entry.type === 'directory') ||
      (id !== undefined && entry.type === 'file' && contentId(entry.chunks).startsWith(id)),
  }
}

/** Files with exactly the bytes of a local file, however their content was cut when it was stored. */
async function byContent({ index, signal }: OpenRepository, path: string): Promise<Matcher> {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats?.isFile() !== true)
    throw new AppError('not-found', stats ? `${path} is not a file.` : `${path} does not exist.`, { hint: 'Give --content a local file.' })
  const fd = openSync(path, 'r')
  const known = new Map<string, Promise<boolean>>()
  const compare = async (entry: FileEntry): Promise<boolean> => {
    const lengths: number[] = []
    for (let offset = 0; offset < entry.chunks.length; offset += HASH_BYTES) {
      const at = index.find(entry.chunks, offset)
      if (at < 0) return false
      lengths.push(index.length(at))
    }
    return (await matchingChunks(fd, entry, chunk => lengths[chunk]!, index.chunkKeys, signal)).every(Boolean)
  }
  return {
    test: entry => {
      if (entry.type !== 'file' || entry.size !== stats.size) return false
      const id = contentId(entry.chunks)
      const answer = known.get(id) ?? compare(entry)
      known.set(id, answer)
      return answer
    },
    close: () => closeSync(fd),
  }
}

function nothingFound(pattern: string | undefined, file: string | undefined, searched: number): AppError {
  const where = plural(searched, 'version')
  if (pattern === undefined)
    return new AppError('not-found', `No file in ${where} has the content of ${file}.`, {
      hint: `If it should be stored: colab-escape push ${file}`,
    })
  return new AppError('not-found', `Nothing in ${where} matches ${JSON.stringify(pattern)}.`, { hint: hintFor(pattern) })
}

function hintFor(pattern: string): string {
  if (CONTENT_ID.test(pattern)) return 'Large files are known by another id than their SHA-256. With a local copy: find --content <file>'
  const [, name, path] = /^([^:/]+):(.+)$/.exec(pattern) ?? []
  if (name !== undefined) return `Give the name with --name: colab-escape find ${path} --name ${name}`
  if (pattern.includes('/')) return `A pattern with a slash begins at the top. Anywhere: **/${pattern.replace(/^\/+/, '')}`
  return /[*?[]/.test(pattern) ? 'List what is there: colab-escape ls <version> -R' : `For a part of a name: "*${pattern}*"`
}

const COLUMNS = [{ title: '' }, right('size'), { title: 'from' }, { title: 'to' }, right('count')]

/** Each path with its contents from old to new, and the version since which it is gone. */
function describe(
  found: readonly FoundPath[],
  searched: number,
  { columns, rows }: Pick<Session['console'], 'columns' | 'rows'>,
  all: boolean,
): string[] {
  const table = renderTable(
    COLUMNS,
    found.flatMap(({ type, runs }) => runs.map(run => cellsOf(type, run))),
    columns,
  )
  const [title = '', ...lines] = table
  const blocks: string[][] = []
  for (const { name, path, type, runs, goneSince } of found) {
    const gone = goneSince ? [`  gone since ${versionLabel(goneSince)} (${localTime(goneSince.ref.effectiveTime)})`] : []
    blocks.push([
      shortenMiddle(`${name}:${shownPath(path)}${type === 'directory' ? '/' : ''}`, columns),
      ...lines.splice(0, runs.length),
      ...gone,
    ])
  }
  const shown: string[] = []
  let paths = 0
  while (paths < blocks.length && (all || paths === 0 || shown.length + blocks[paths]!.length <= rows - 4)) shown.push(...blocks[paths++]!)
  return [
    ...(found.length > 0 ? [title] : []),
    ...shown,
    ...(paths < found.length ? [`... and ${formatCount(found.length - paths)} more (--all)`] : []),
    `${plural(found.length, 'path')} found in ${plural(searched, 'version')}`,
  ]
}

function cellsOf(type: Entry['type'], { content, size, first, last, versions }: ContentRun): string[] {
  const versionText = ({ id, ref }: StoredSnapshot): string => `${id.slice(0, 8)} ${localTime(ref.effectiveTime)}`
  const what = type === 'file' ? content.slice(0, 8) : type === 'symlink' ? `-> ${shownPath(content)}` : 'folder'
  return [
    `  ${what}`,
    type === 'file' ? formatBytes(size) : '',
    versionText(first),
    versions === 1 ? '' : versionText(last),
    formatCount(versions),
  ]
}

function foundToJson({ name, path, type, runs, goneSince }: FoundPath): object {
  const versionToJson = ({ id, ref }: StoredSnapshot): object => ({ version: id, time: new Date(ref.effectiveTime).toISOString() })
  return {
    name,
    path: jsonPath(path),
    type,
    contents: runs.map(({ content, size, first, last, versions }) => ({
      ...(type === 'file' ? { content, size } : {}),
      first: versionToJson(first),
      last: versionToJson(last),
      versions,
    })),
    goneSince: goneSince ? versionToJson(goneSince) : null,
  }
}
