import { existsSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { sameAttributes } from '../../local/attributes.ts'
import type { Entry } from '../../repository/format/manifest.ts'
import { checkName, CONFIG_NAME } from '../../repository/format/object-names.ts'
import { versionLabel } from '../../repository/format/snapshot.ts'
import type { OpenRepository } from '../../repository/open/open.ts'
import { readManifest } from '../../repository/read/read-manifest.ts'
import { readLocalEntries, unreadPaths } from '../../repository/source/local-entries.ts'
import type { StatCache } from '../../repository/source/stat-cache.ts'
import { compareEntries, type Difference } from '../../repository/versions/compare-versions.ts'
import { isNotedAs, loadNotedVersion, noteIn, saveNotedVersion, type NotedVersion } from '../../repository/versions/noted-version.ts'
import { newestSnapshot } from '../../repository/versions/versions.ts'
import { formatDuration } from '../../ui/format.ts'
import { PLAIN_CHUNKS, type ChunkKeys } from '../../util/chunk-keys.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { openRepository } from '../shared/find-version.ts'
import { describeLeftOut, leftOutToJson, withoutLeftOut } from '../shared/left-out-report.ts'
import { ownFiles, prepareCache } from '../shared/own-files.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { chooseStore } from '../shared/store.ts'
import { Differences, withVerbose, type DifferenceOptions } from './differences.ts'
import { rootDifference } from './root-difference.ts'

export interface StatusOptions extends DifferenceOptions {
  name?: string
  exclude?: string[]
  reread?: boolean
  refresh?: boolean
}

/**
 * Shows what a push of `path` would send. Compares it with the newest version of its name as this machine has noted it,
 * or asks the store.
 */
export async function statusCommand(session: Session, path: string | undefined, options: StatusOptions): Promise<Outcome> {
  const { console, signal } = session
  const local = path ?? '.'
  const name = checkName(options.name ?? basename(resolve(local)))
  const store = await chooseStore(session)
  prepareCache(session)
  const choice = { path: local, excludes: options.exclude ?? [], skip: ownFiles(session, store) }
  let repository: Promise<OpenRepository> | undefined
  const open = (): Promise<OpenRepository> => (repository ??= openRepository(session))
  const note = await noteOf(session, store.storage.location, name, options.refresh === true)
  // a note of a plain repository needs no keys; those of an encrypted one are found in the store
  const keysOf = async (): Promise<ChunkKeys> => {
    if (note.head && note.head.keyId === undefined) return PLAIN_CHUNKS
    const { chunkKeys } = (await open()).index
    if (note.head?.keyId !== (chunkKeys.id || undefined)) note.head = undefined
    return chunkKeys
  }
  const openCache = async (root: string, keys: ChunkKeys): Promise<StatCache> =>
    (await session.openCache(root, options.reread)).withKeys(keys, console.reporter)
  const files = await readLocalEntries(choice, keysOf, openCache, console.reporter, signal)
  const { source, reading } = files
  const isPartly = source.failed + reading.failedFiles.length > 0
  const isUnread = unreadPaths(files)
  const { version, knownSince } = await newestVersion(session, open, note, reading.entries)
  if (knownSince !== undefined && store.kind === 'folder' && !existsSync(join(store.path, CONFIG_NAME)))
    console.reporter.warn(`${store.path} holds no repository now: this is about the one that this machine knows of`)
  const found: Difference[] = rootDifference(version?.rootMode, source.rootAttributes?.mode)
  if (version?.entries !== reading.entries)
    for await (const each of compareEntries(version?.entries ?? [], reading.entries, sameAttributes))
      if (!isUnread(each.path)) found.push(each)
  const toSend = found.reduce(
    (sum, each) => sum + (each.kind !== 'removed' && each.kind !== 'touched' && each.after.type === 'file' ? each.after.size : 0),
    0,
  )
  const leftOut = await source.leftOut.count(signal)
  const subject = withoutLeftOut(source.root, leftOut)
  const equal =
    version === undefined
      ? `${subject} is empty.`
      : isPartly
        ? `Nothing to push: what could be read of ${subject} is as in the newest version.`
        : `Nothing to push: ${subject} is identical to the newest version.`
  const differences = new Differences(found)
  const compared = comparedWith(name, version, knownSince)
  const notes = [...describeLeftOut(leftOut), compared]
  const human =
    found.length === 0
      ? console.prose([equal, ...notes])
      : differences.describe(
          [`Files to read and push: ${formatBytes(toSend)} before deduplication.`, ...notes],
          console,
          withVerbose(session, options),
        )
  console.print(human, {
    command: 'status',
    name,
    version: version?.id ?? null,
    asked: knownSince === undefined,
    bytesOfChangedFiles: toSend,
    differences: differences.toJson(),
    leftOut: leftOutToJson(leftOut),
  })
  if (isPartly) return 'partly'
  return found.length > 0 && options.exitCode === true ? 'different' : 'done'
}

function comparedWith(name: string, version: NotedVersion | undefined, knownSince: number | undefined): string {
  if (version === undefined) return `${name} has no version yet.`
  const since = knownSince === undefined ? '' : `, noted ${formatDuration(Date.now() - knownSince)} ago (--refresh asks the store)`
  return `Compared with ${versionLabel({ name, id: version.id })}${since}.`
}

/** What this machine has noted about a name. */
interface Note {
  name: string
  /** The file that holds it. */
  file: string | undefined
  /** Undefined if nothing is noted about the repository that is there, or if the store shall be asked. */
  head: Omit<NotedVersion, 'entries'> | undefined
}

async function noteOf(session: Session, location: string, name: string, refresh: boolean): Promise<Note> {
  const file = session.notedVersionFile(location, name)
  return { name, file, head: refresh || file === undefined ? undefined : await noteIn(file) }
}

/**
 * The newest version. If its entries equal `local`, they are the same array. `knownSince`: when this machine noted it
 * (ms since 1970); undefined when the store was asked.
 */
async function newestVersion(
  session: Session,
  open: () => Promise<OpenRepository>,
  { name, file, head }: Note,
  local: Entry[],
): Promise<{ version: NotedVersion | undefined; knownSince?: number }> {
  const { reporter } = session.console
  const isNoted = file !== undefined && head !== undefined
  const equal = isNoted ? await isNotedAs(file, local) : undefined
  if (equal) return { version: { ...equal, entries: local }, knownSince: equal.knownSince }
  const known = isNoted ? await loadNotedVersion(file, reporter) : undefined
  if (known) return { version: known, knownSince: known.knownSince }
  const repository = await open()
  const { problems } = repository.view
  const before = problems.length
  const snapshot = await newestSnapshot(repository, repository.view, name)
  for (const problem of problems.slice(before)) reporter.warn(problem.message)
  if (!snapshot) return { version: undefined }
  const keyId = repository.index.chunkKeys.id || undefined
  const version: NotedVersion = { id: snapshot.id, name, keyId, time: snapshot.time, rootMode: snapshot.root?.mode, entries: [] }
  for await (const entry of readManifest(repository, snapshot)) version.entries.push(entry)
  await saveNotedVersion(file, version, reporter)
  return { version }
}
