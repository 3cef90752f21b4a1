import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { zstdName } from '../../compression/load-zstd.ts'
import type { LeftOut } from '../../local/left-out.ts'
import { walk, type WalkResult } from '../../local/walk.ts'
import { lineOf, versionLabel } from '../../repository/format/snapshot.ts'
import type { ForgetResult } from '../../repository/prune/forget.ts'
import type { PushResult } from '../../repository/push/push.ts'
import type { Unread } from '../../repository/push/unread.ts'
import { kindOfChunk } from '../../repository/usage/file-kinds.ts'
import { measureNewGroups, type GroupUsage } from '../../repository/usage/usage-by-group.ts'
import { parseMetrics, type Metrics } from '../../repository/versions/metrics.ts'
import { ReadAheadStorage } from '../../storage/read-ahead.ts'
import { firstOf, formatCount, formatDuration, formatPercent, plural } from '../../ui/format.ts'
import { AppError } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { describeLeftOut, leftOutToJson, withoutLeftOut } from '../shared/left-out-report.ts'
import { wipedLines } from '../shared/mounts.ts'
import { ownFiles, prepareCache } from '../shared/own-files.ts'
import { parsePolicy, type RetentionOptions } from '../shared/retention-options.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { describePruned, pruneToJson, refuseMounted } from '../shared/space-report.ts'
import { refuseLost } from '../shared/lost-store.ts'
import {
  chooseStore,
  prepareForPush,
  readBackFrom,
  requestsByKind,
  requestsSince,
  requireOnDisk,
  totalRequests,
  type Store,
} from '../shared/store.ts'
import { forgetOlder, forgottenOf, forgottenText } from '../space/forget-older.ts'
import { withProposals } from '../space/full-store.ts'
import { sizesToJson, partsTable } from '../space/sizes-table.ts'
import { checkSaveOptions, saveVersion, versionName, type SaveOptions } from './save-version.ts'

export interface PushOptions extends SaveOptions, RetentionOptions {
  metric?: string[]
  dryRun?: boolean
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
  if (options.level === 'max' && zstdName(session.settings.zstd) === 'portable')
    session.console.reporter.note(
      'this Node has no built-in zstd, so --level max uses level 9 of the portable zstd; Node 22.15 or newer goes up to 19',
    )
  let outcome: Outcome = 'done'
  for (const [at, path] of paths.entries()) {
    const later = paths.slice(at + 1)
    if ((await pushOne(session, store, path, later, { ...options, metrics })) !== 'done') outcome = 'partly'
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
  storage.beginList({ signal })
  const source = await walk(path, {
    excludes: options.exclude ?? [],
    skip: ownFiles(session, store),
    reporter: console.reporter,
    signal,
  })
  const bytes = source.entries.reduce((sum, entry) => sum + (entry.type === 'file' ? entry.fingerprint.size : 0), 0)
  const context = session.context(storage, bytes)
  const mayCreate = options.create === true ? undefined : refuseLost(session, storage.location)
  const request = {
    name,
    source,
    metrics: options.metrics,
    policy,
    mayCreate,
    readBack: readBackFrom(store),
    dryRun: options.dryRun === true,
  }
  const result = await saveVersion(session, context, options, request).catch(async (error: unknown) => {
    throw await withProposals(session, store, error)
  })
  noteOtherSource(session, name, source, result)
  if (source.entries.length === 0) console.reporter.warn(`${path} is empty, so this version of ${name} has no files`)
  const { unread } = result
  const forgets = policy !== undefined && result.outcome !== 'dry-run'
  const forgotten =
    forgets && !unread
      ? await forgetOlder(context, { ...request, line: result.snapshot && lineOf(result.snapshot) }, policy, result.snapshot, session.trash)
      : undefined
  const unreadPaths = [...source.unreadable.map(({ localPath }) => localPath), ...result.reading.failedFiles]
  const requests = requestsSince(requestsBefore, store.requests())
  const leftOut = await source.leftOut.count()
  const receipt = describe(name, store, { ...result, leftOut, later }, totalRequests(requests), performance.now() - started)
  const kinds = result.outcome === 'dry-run' ? measureNewGroups(result.packs, result.index, result.reading.entries, kindOfChunk) : undefined
  if (kinds) receipt.push(...partsTable('kind', kinds, console.columns))
  if (forgotten) receipt.push(...describeForgotten(name, forgotten))
  if (forgets && unread) receipt.push('  no older version was forgotten, because not everything could be read')
  if (later.length === 0 && options.dryRun !== true && store.kind === 'folder')
    receipt.push(...wipedLines(session, store.path, '--store drive:'))
  console.reporter.detail(requestsByKind(requests))
  console.result(receipt, {
    ...receiptToJson(name, result, unreadPaths, requests),
    leftOut: leftOutToJson(leftOut),
    ...(kinds ? { kinds: kinds.map(kindToJson) } : {}),
    ...(forgets && unread ? { forgotten: 0, pruned: null } : forgottenToJson(forgotten)),
  })
  return unread ? 'partly' : 'done'
}

function describeForgotten(name: string, result: ForgetResult): string[] {
  const text = forgottenText(result)
  const others = result.names.reduce((sum, { ofOtherLines }) => sum + ofOtherLines, 0)
  return [
    ...(text === undefined ? [] : [`  ${text}`]),
    ...(others === 0
      ? []
      : [
          `  ${plural(others, 'version')} that this folder does not continue ${others === 1 ? 'stays' : 'stay'} (forget ${name} decides about all)`,
        ]),
    ...(result.pruned ? describePruned(result.pruned, false) : []),
  ]
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

type Receipt = PushResult & { leftOut: readonly LeftOut[]; later: readonly string[] }

function describe(name: string, store: Store, result: Receipt, requests: number, milliseconds: number): string[] {
  const { reading, snapshot, newBytes, storedBytes, leftOut, later } = result
  const lines: string[] = []
  const version = snapshot ? versionLabel({ name, id: snapshot.id }) : name
  if (result.outcome === 'stored') lines.push(`Pushed ${version} to ${store.storage.location}${ofOwner(store)}`)
  else if (result.outcome === 'unchanged' && result.unread) lines.push(`No new version: what could be read of ${name} is as in ${version}.`)
  else if (result.outcome === 'unchanged')
    lines.push(`Nothing changed: ${withoutLeftOut(name, leftOut)} is identical to its newest version ${version}.`)
  else lines.push(`Dry run: ${name} would get a new version; nothing was stored`)
  const again = result.outcome === 'unchanged' && newBytes > 0
  const found = again
    ? `${formatBytes(newBytes)} stored again, because the store lacked it`
    : newContent(reading.bytes, newBytes, storedBytes)
  const content = `  ${plural(reading.files, 'file')}, ${formatBytes(reading.bytes)}: ${found}`
  lines.push(...(content.length <= 80 ? [content] : content.replace('; ', ';\n  ').split('\n')))
  lines.push(`  ${plural(requests, 'request')}, ${formatDuration(milliseconds)}, ${formatBytes(reading.readBytes)} read`)
  lines.push(...describeLeftOut(leftOut))
  if (result.unread) lines.push(...describeUnread(result.unread, result.outcome === 'stored'))
  if (later.length > 0) lines.push(`  Not done yet: ${firstOf(later, PATHS_SHOWN)} ${later.length === 1 ? 'is' : 'are'} next.`)
  else if (result.outcome === 'stored') lines.push(`  ${safety(store, result)}`)
  else if (result.outcome === 'unchanged' && store.kind === 'drive')
    lines.push(
      `  Safe to disconnect: ${result.unread ? 'what could be read' : leftOut.length > 0 ? 'all the rest' : 'everything'} is already on Drive.`,
    )
  else if (result.outcome === 'unchanged' && store.kind === 'folder' && store.mounted) lines.push(`  ${safety(store, result)}`)
  return lines
}

/** Tells if what was stored went into somebody else's folder. */
function ofOwner(store: Store): string {
  const owner = store.kind === 'drive' ? store.owner() : undefined
  return owner === undefined ? '' : `, in a folder of ${owner}`
}

/** How many paths are named in the receipt. */
const PATHS_SHOWN = 5

function describeUnread({ carried, missing, from }: Unread, stored: boolean): string[] {
  const lines = [
    `  ${plural(carried.length + missing.length, 'file')} could not be saved (see the warnings)${stored ? '; all others were saved' : ''}`,
  ]
  if (from && carried.length > 0)
    lines.push(`  ${formatCount(carried.length)} kept as in ${versionLabel(from)}: ${firstOf(carried, PATHS_SHOWN)}`)
  if (missing.length > 0) lines.push(`  ${formatCount(missing.length)} missing: ${firstOf(missing, PATHS_SHOWN)}`)
  return lines
}

function kindToJson({ group: part, files, ...sizes }: GroupUsage): object {
  const { plainBytes, distinctBytes, storedBytes, saved } = sizesToJson(sizes)
  return { kind: part, files, bytes: plainBytes, newBytes: distinctBytes, storedBytes, saved }
}

function safety(store: Store, { sample, readAgain, leftOut }: Receipt): string {
  if (store.kind === 'drive') return 'Safe to disconnect: Drive has every object and confirmed its checksum.'
  if (store.mounted)
    return store.path.startsWith('/content/')
      ? 'Written to the mount: run drive.flush_and_unmount() before you leave.'
      : 'Written to the mounted Drive: let it upload everything before you shut this machine down.'
  const all = !readAgain || readAgain.read === readAgain.stored
  const everything = leftOut.length > 0 ? 'all that is new' : 'everything new'
  const back = `${all ? everything : `${formatBytes(readAgain.read)} of what is new`} was read back`
  const isNew = store.folder.isSynced ? `Synced to the disk: ${back}` : `${back[0]!.toUpperCase()}${back.slice(1)}`
  if (!sample) return `${isNew}.`
  return sample.problems.length > 0 ? `${isNew}. Older data can't be read back (see the warning).` : `${isNew}, and a sample of the rest.`
}

function newContent(bytes: number, newBytes: number, storedBytes: number): string {
  if (newBytes === 0) return 'nothing new to store'
  const there = Math.max(0, bytes - newBytes)
  const saved = bytes > 0 ? `, ${formatPercent(Math.max(0, 1 - storedBytes / bytes))} saved` : ''
  return `${formatBytes(newBytes)} new, stored as ${formatBytes(storedBytes)}; ${formatBytes(there)} already stored${saved}`
}

function receiptToJson(name: string, result: PushResult, unreadPaths: readonly string[], requests: object): object {
  const { reading, snapshot, newBytes, storedBytes, outcome } = result
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
    storedBytes,
    failed: carried.length + missing.length,
    failedFiles: unreadPaths.map(path => path.toWellFormed()),
    carriedFiles: carried.map(path => path.toWellFormed()),
    missingFiles: missing.map(path => path.toWellFormed()),
    metrics: snapshot?.metrics ?? {},
    requests,
  }
}
