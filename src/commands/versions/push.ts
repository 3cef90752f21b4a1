import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { zstdName } from '../../compression/load-zstd.ts'
import { walk, type WalkResult } from '../../local/walk.ts'
import { lineOf } from '../../repository/format/snapshot.ts'
import type { ForgetResult } from '../../repository/prune/forget.ts'
import type { PushResult } from '../../repository/push/push.ts'
import type { GroupUsage } from '../../repository/usage/usage-by-group.ts'
import { parseMetrics, type Metrics } from '../../repository/versions/metrics.ts'
import { ReadAheadStorage } from '../../storage/read-ahead.ts'
import { plural } from '../../ui/format.ts'
import { jsonPath } from '../../ui/shown-path.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { leftOutToJson } from '../shared/left-out-report.ts'
import { wipedLines } from '../shared/mounts.ts'
import { ownFiles, prepareCache } from '../shared/own-files.ts'
import { parsePolicy, type RetentionOptions } from '../shared/retention-options.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { pruneToJson, refuseMounted } from '../shared/space-report.ts'
import { refuseLost } from '../shared/lost-store.ts'
import { chooseStore, prepareForPush, readBackFrom, requestsSince, requireOnDisk, type Store } from '../shared/store.ts'
import { forgottenOf } from '../space/forgotten-text.ts'
import { sizesToJson, partsTable } from '../space/sizes-table.ts'
import { notedToJson } from './noted-text.ts'
import { describeForgotten, describePush, describeWork, isMended, type Pushed } from './push-receipt.ts'
import { checkSaveOptions, saveVersion, versionName, type SaveOptions } from './save-version.ts'

export interface PushOptions extends SaveOptions, RetentionOptions {
  metric?: string[]
  dryRun?: boolean
  encrypt?: boolean
}

export async function pushCommand(session: Session, paths: string[], options: PushOptions): Promise<Outcome> {
  if (options.name !== undefined && paths.length > 1)
    throw new AppError('usage', '--name needs a single path, because several paths make one version each.', {
      hint: 'Push them one by one.',
    })
  checkSaveOptions(options)
  for (const path of paths) requireOnDisk(path)
  if (paths.length > 1) refuseAbsent(paths)
  refuseEqualNames(paths, options)
  const warn = (text: string): void => session.console.reporter.warn(`--metric ${text} has no number, so it was left out`)
  const metrics = parseMetrics(options.metric ?? [], warn)
  const policy = parsePolicy(options)
  const store = await chooseStore(session)
  if (policy) refuseMounted(store)
  await prepareForPush(store, options.dryRun === true)
  prepareCache(session)
  if (options.encrypt === true) await (await import('../shared/encrypt-store.ts')).encryptStore(session, store, options.dryRun === true)
  if (options.level === 'max' && zstdName(session.settings.zstd) === 'portable')
    session.console.reporter.note(
      'this Node has no built-in zstd, so --level max uses level 8 of the portable zstd; Node 22.15 or newer goes up to 19',
    )
  let outcome: Outcome = 'done'
  let pushed = 0
  for (const [at, path] of paths.entries()) {
    const later = paths.slice(at + 1)
    try {
      if ((await pushOne(session, store, path, later, { ...options, metrics })) !== 'done') outcome = 'partly'
      pushed++
    } catch (error) {
      // one source that can't be read does not keep the others from being stored
      if (!isAppError(error, 'io', 'not-found') || (pushed === 0 && later.length === 0)) throw error
      session.console.reporter.warn(`${path} was not pushed: ${error.message}`)
      outcome = 'partly'
    }
  }
  return outcome
}

/** Of several paths none is pushed if one does not exist: the others would be easily overlooked. */
function refuseAbsent(paths: readonly string[]): void {
  const absent = paths.filter(path => !existsSync(path))
  if (absent.length === 0) return
  throw new AppError('not-found', `${absent.join(', ')} ${absent.length === 1 ? 'does' : 'do'} not exist, so nothing was pushed.`, {
    hint: 'Check the paths. A relative path starts at the current folder.',
  })
}

/** Two sources of one name would be taken for two versions of the same source. */
function refuseEqualNames(paths: readonly string[], options: SaveOptions): void {
  const sources = new Map<string, string>()
  for (const path of paths) {
    const name = versionName(path, options)
    const other = sources.get(name) ?? path
    if (resolve(other) !== resolve(path))
      throw new AppError('usage', `${other} and ${path} would both be versions of ${name}, so nothing was pushed.`, {
        hint: `Push them one by one, each with its own name: colab-escape push ${path} --name <name>`,
      })
    sources.set(name, other)
  }
}

/** `later`: the paths that are pushed after this one. Before them nobody may be told that it is safe to leave. */
async function pushOne(
  session: Session,
  store: Store,
  path: string,
  later: readonly string[],
  options: PushOptions & { metrics: Metrics },
): Promise<Outcome> {
  const { console, signal } = session
  const started = performance.now()
  const policy = parsePolicy(options)
  const requestsBefore = store.requests()
  const name = versionName(path, options)
  // a push must not take too long after this listing: an early start is safe
  const storage = new ReadAheadStorage(store.storage)
  const begun = Date.now()
  storage.beginList({ signal })
  const source = await walk(path, {
    excludes: options.exclude ?? [],
    skip: ownFiles(session, store),
    reporter: console.reporter,
    signal,
  })
  const bytes = source.entries.reduce((sum, entry) => sum + (entry.type === 'file' ? entry.fingerprint.size : 0), 0)
  const context = session.context(storage, bytes)
  const mayCreate = options.create === true ? undefined : refuseLost(session, storage.location, begun)
  const request = {
    name,
    source,
    metrics: options.metrics,
    policy,
    mayCreate,
    readBack: readBackFrom(store),
    dryRun: options.dryRun === true,
    countsChanges: true,
    isEncrypted: () => store.encryption.repositoryKeys !== undefined,
  }
  const result = await saveVersion(session, context, options, request).catch(async (error: unknown) => {
    const { withProposals } = await import('../space/full-store.ts')
    throw await withProposals(session, store, error)
  })
  noteOtherSource(session, name, source, result)
  noteHardLinks(session, source, result)
  if (source.entries.length === 0) console.reporter.warn(`${path} is empty, so this version of ${name} has no files`)
  const { unread } = result
  const forgets = policy !== undefined && result.outcome !== 'dry-run'
  const forgotten =
    forgets && !unread
      ? await (
          await import('../space/forget-older.ts')
        ).forgetOlder(context, { ...request, line: result.snapshot && lineOf(result.snapshot) }, policy, result.snapshot, session.trash)
      : undefined
  const unreadPaths = [...source.unreadable.map(({ localPath }) => localPath), ...result.reading.failedFiles]
  const requests = requestsSince(requestsBefore, store.requests())
  const leftOut = await source.leftOut.count()
  const pushed: Pushed = { ...result, name, leftOut, later, milliseconds: performance.now() - started }
  const receipt = describePush(store, pushed)
  const kinds = result.outcome === 'dry-run' ? await kindsOf(result) : undefined
  if (kinds) receipt.push(...partsTable('kind', kinds, console.columns))
  if (forgotten) receipt.push(...describeForgotten(name, forgotten))
  if (forgets && unread) receipt.push('  no older version was forgotten, because not everything could be read')
  if (later.length === 0 && options.dryRun !== true && store.kind === 'folder')
    receipt.push(...wipedLines(session, store.path, '--store drive:'))
  console.reporter.detail(describeWork(pushed, requests, zstdName(session.settings.zstd)))
  console.result(receipt, {
    ...receiptToJson(store, pushed, unreadPaths, requests),
    leftOut: leftOutToJson(leftOut),
    ...(kinds ? { kinds: kinds.map(kindToJson) } : {}),
    ...(forgets && unread ? { forgotten: 0, pruned: null } : forgottenToJson(forgotten)),
  })
  return unread ? 'partly' : 'done'
}

/** The new bytes by the kind of their files. */
async function kindsOf({ packs, index, reading }: PushResult): Promise<GroupUsage[]> {
  const { measureNewGroups } = await import('../../repository/usage/usage-by-group.ts')
  const { kindOfChunk } = await import('../../repository/usage/file-kinds.ts')
  return measureNewGroups(packs, index, reading.entries, kindOfChunk)
}

function forgottenToJson(result: ForgetResult | undefined): object {
  if (!result) return {}
  return { forgotten: forgottenOf(result).length, pruned: result.pruned ? pruneToJson(result.pruned) : null }
}

function noteOtherSource({ console, settings }: Session, name: string, source: WalkResult, { parent }: PushResult): void {
  if (!parent || parent.host !== settings.host || parent.source.path === source.root.toWellFormed()) return
  console.reporter.note(
    `the last version of ${name} came from ${parent.source.path}, this one comes from ${source.root}; use --name to keep them apart`,
  )
}

/** Told once: the versions after the first one are no different. */
function noteHardLinks({ console }: Session, { hardLinks }: WalkResult, { parent, outcome }: PushResult): void {
  if (hardLinks === 0 || parent || outcome !== 'stored') return
  console.reporter.note(
    `${plural(hardLinks, 'file is a hard link', 'files are hard links')} to another one here: content is stored once, and a pull writes separate files`,
  )
}

function kindToJson({ group: part, files, ...sizes }: GroupUsage): object {
  const { plainBytes, distinctBytes, storedBytes, saved } = sizesToJson(sizes)
  return { kind: part, files, bytes: plainBytes, newBytes: distinctBytes, storedBytes, saved }
}

function receiptToJson(store: Store, result: Pushed, unreadPaths: readonly string[], requests: object): object {
  const { name, reading, snapshot, newBytes, newContentBytes, storedBytes, outcome, changes, space } = result
  const { files, directories, symlinks, bytes, readBytes } = reading
  const { carried = [], missing = [] } = result.unread ?? {}
  return {
    command: 'push',
    name,
    outcome,
    version: snapshot?.id ?? null,
    files,
    directories,
    symlinks,
    bytes,
    readBytes,
    newBytes,
    newContentBytes,
    storedBytes,
    changes: changes ?? null,
    mended: isMended(result),
    space: space ? { freeBytes: Math.max(0, space.free - storedBytes), limitBytes: space.limit } : null,
    link: (store.kind === 'drive' ? store.link() : undefined) ?? null,
    failed: carried.length + missing.length,
    failedFiles: unreadPaths.map(path => (path.isWellFormed() ? path : jsonPath(path))),
    carriedFiles: carried.map(jsonPath),
    missingFiles: missing.map(jsonPath),
    growingFiles: reading.growing.map(({ path }) => jsonPath(path)),
    metrics: snapshot?.metrics ?? {},
    noted: notedToJson(result.noted),
    requests,
  }
}
