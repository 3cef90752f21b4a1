import { existsSync } from 'node:fs'
import { sameAttributes } from '../../local/attributes.ts'
import type { LeftOut } from '../../local/left-out.ts'
import { versionLabel, type StoredSnapshot } from '../../repository/format/snapshot.ts'
import type { OpenRepository } from '../../repository/open/open.ts'
import { readManifest } from '../../repository/read/read-manifest.ts'
import { readLocalEntries, unreadPaths, type LocalChoice } from '../../repository/source/local-entries.ts'
import type { StatCache } from '../../repository/source/stat-cache.ts'
import { compareEntries, type Difference, type Entries } from '../../repository/versions/compare-versions.ts'
import { parseVersion } from '../../repository/versions/versions.ts'
import { PLAIN_CHUNKS, type ChunkKeys } from '../../util/chunk-keys.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { findVersion, openRepository } from '../shared/find-version.ts'
import { leftOutText, leftOutToJson, withoutLeftOut } from '../shared/left-out-report.ts'
import { ownFiles, prepareCache } from '../shared/own-files.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { chooseStore } from '../shared/store.ts'
import { Differences, withVerbose, type DifferenceOptions } from './differences.ts'
import { rootDifference } from './root-difference.ts'

/**
 * Shows which files differ between two versions, a version and a local folder, or two local folders. Of one version
 * alone, shows what it changed.
 */
export async function diffCommand(
  session: Session,
  before: string,
  after: string | undefined,
  options: DifferenceOptions,
): Promise<Outcome> {
  prepareCache(session)
  const isAllLocal = isLocal(before) && (after === undefined || isLocal(after))
  const skip = isAllLocal ? undefined : ownFiles(session, await chooseStore(session))
  let repository: Promise<OpenRepository> | undefined
  const open = (): Promise<OpenRepository> => (repository ??= openRepository(session))
  const keysOf = async (): Promise<ChunkKeys> => (isAllLocal ? PLAIN_CHUNKS : (await open()).index.chunkKeys)
  const [left, right] =
    after === undefined
      ? await sidesOf(session, before, open)
      : [await entriesOf(session, before, skip, open, keysOf), await entriesOf(session, after, skip, open, keysOf)]
  const found: Difference[] = rootDifference(left.rootMode, right.rootMode)
  const isMixed = after !== undefined && isLocal(before) !== isLocal(after)
  for await (const difference of compareEntries(left.entries, right.entries, isMixed ? sameAttributes : undefined))
    if (left.isUnread?.(difference.path) !== true && right.isUnread?.(difference.path) !== true) found.push(difference)
  const differences = new Differences(found)
  const [first, second] = [left, right].map(({ name, leftOut }) => withoutLeftOut(name, leftOut))
  const head = after === undefined && found.length > 0 ? [`${left.name} -> ${right.name}`] : []
  for (const { name, leftOut } of [left, right]) if (leftOut.length > 0) head.push(`Left out of ${name}: ${leftOutText(leftOut)}`)
  const human =
    found.length === 0
      ? [
          left.partly || right.partly ? `${first} and ${second} are equal in what could be read.` : `${first} and ${second} are equal.`,
          ...head,
        ]
      : differences.describe(head, session.console, withVerbose(session, options))
  session.console.print(human, {
    command: 'diff',
    before: left.name,
    after: right.name,
    differences: differences.toJson(),
    leftOut: { before: leftOutToJson(left.leftOut), after: leftOutToJson(right.leftOut) },
  })
  return left.partly || right.partly ? 'partly' : found.length > 0 && options.exitCode === true ? 'different' : 'done'
}

interface Side {
  name: string
  /** Undefined for a file, and if a version does not have it. */
  rootMode?: number | undefined
  entries: Entries
  /** Some local files could not be read. */
  partly: boolean
  /** Whether a path is one of them, of which nobody knows a difference. */
  isUnread?: (path: string) => boolean
  /** Of a local folder: what is not compared. */
  leftOut: readonly LeftOut[]
}

/** Text that looks like a path is local. Names of versions contain no separators. */
const isLocal = (text: string): boolean => /[/\\]|^\.{1,2}$/.test(text)

/** A version and the one before it, which is empty if there is none. */
async function sidesOf(session: Session, text: string, open: () => Promise<OpenRepository>): Promise<[Side, Side]> {
  if (isLocal(text))
    throw new AppError('usage', `What should ${text} be compared with?`, {
      hint: `With the newest version: colab-escape status ${text}. With another one: colab-escape diff <version> ${text}`,
    })
  const spec = parseVersion(text)
  const repository = await open()
  const snapshot = await findVersion(session, repository, spec)
  const before = await findVersion(session, repository, { ...spec, back: spec.back + 1 }).catch((error: unknown) => {
    if (isAppError(error, 'not-found')) return undefined
    throw error
  })
  const side = (version: StoredSnapshot): Side => ({
    name: versionLabel(version),
    rootMode: version.root?.mode,
    entries: readManifest(repository, version),
    partly: false,
    leftOut: [],
  })
  return [before ? side(before) : { name: 'nothing', entries: [], partly: false, leftOut: [] }, side(snapshot)]
}

/** `keysOf`: the keys of the repository that a local folder is compared with. */
async function entriesOf(
  session: Session,
  text: string,
  skip: LocalChoice['skip'],
  open: () => Promise<OpenRepository>,
  keysOf: () => ChunkKeys | Promise<ChunkKeys>,
): Promise<Side> {
  const { console, signal } = session
  if (isLocal(text)) {
    const choice = { path: text, excludes: [], skip }
    const openCache = async (root: string, keys: ChunkKeys): Promise<StatCache> =>
      (await session.openCache(root)).withKeys(keys, console.reporter)
    const local = await readLocalEntries(choice, keysOf, openCache, console.reporter, signal)
    const { source, reading } = local
    const partly = source.failed + reading.failedFiles.length > 0
    const { root: name, rootAttributes } = source
    const { entries } = reading
    const leftOut = await source.leftOut.count(signal)
    return { name, rootMode: rootAttributes?.mode, entries, partly, isUnread: unreadPaths(local), leftOut }
  }
  const spec = parseVersion(text)
  const repository = await open()
  const snapshot = await findVersion(session, repository, spec).catch((error: unknown) => {
    if (!isAppError(error, 'not-found') || !existsSync(text)) throw error
    throw new AppError('not-found', error.message, { hint: `For the local folder, use ./${text}`, cause: error })
  })
  const { root } = snapshot
  return { name: versionLabel(snapshot), rootMode: root?.mode, entries: readManifest(repository, snapshot), partly: false, leftOut: [] }
}
