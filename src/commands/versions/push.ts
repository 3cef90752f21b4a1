import { zstdName } from '../../compression/load-zstd.ts'
import { walk, type WalkResult } from '../../local/walk.ts'
import { versionLabel } from '../../repository/format/snapshot.ts'
import type { ForgetResult } from '../../repository/prune/forget.ts'
import type { PushResult } from '../../repository/push/push.ts'
import { kindOfChunk } from '../../repository/usage/file-kinds.ts'
import { measureNewGroups, type GroupUsage } from '../../repository/usage/usage-by-group.ts'
import { parseMetrics } from '../../repository/versions/metrics.ts'
import { ReadAheadStorage } from '../../storage/read-ahead.ts'
import { formatDuration, formatPercent, plural } from '../../ui/format.ts'
import { AppError } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { parsePolicy, type RetentionOptions } from '../shared/retention-options.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { describePruned, pruneToJson, refuseMounted } from '../shared/space-report.ts'
import { chooseStore, pathsOf, prepareForPush, requestsByKind, requestsSince, totalRequests, type Store } from '../shared/store.ts'
import { forgetOlder } from '../space/forget-older.ts'
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
  parseMetrics(options.metric ?? [])
  const policy = parsePolicy(options)
  const store = await chooseStore(session)
  if (policy) refuseMounted(store)
  await prepareForPush(store, options.dryRun === true)
  if (options.level === 'max' && zstdName(session.settings.zstd) === 'portable')
    session.console.reporter.note(
      'this Node has no built-in zstd, so --level max uses level 9 of the portable zstd; Node 22.15 or newer goes up to 19',
    )
  let outcome: Outcome = 'done'
  for (const path of paths) if ((await pushOne(session, store, path, options)) !== 'done') outcome = 'partly'
  return outcome
}

async function pushOne(session: Session, store: Store, path: string, options: PushOptions): Promise<Outcome> {
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
    skip: pathsOf(store),
    reporter: console.reporter,
    signal,
  })
  const bytes = source.entries.reduce((sum, entry) => sum + (entry.type === 'file' ? entry.fingerprint.size : 0), 0)
  const context = session.context(storage, bytes)
  const request = { name, source, metrics: parseMetrics(options.metric ?? []), policy, dryRun: options.dryRun === true }
  const result = await saveVersion(session, context, options, request).catch(async (error: unknown) => {
    throw await withProposals(session, store, error)
  })
  noteOtherSource(session, name, source, result)
  const forgotten = policy && result.outcome !== 'dry-run' ? await forgetOlder(context, name, policy, result.snapshot) : undefined
  const failed = result.reading.failedFiles.length + source.failed
  const requests = requestsSince(requestsBefore, store.requests())
  const receipt = describe(name, store, result, failed, totalRequests(requests), performance.now() - started)
  const kinds = result.outcome === 'dry-run' ? measureNewGroups(result.packs, result.index, result.reading.entries, kindOfChunk) : undefined
  if (kinds) receipt.push(...partsTable('kind', kinds, console.columns))
  if (forgotten) receipt.push(...describeForgotten(forgotten))
  console.reporter.detail(requestsByKind(requests))
  console.result(receipt, {
    ...receiptToJson(name, result, failed, requests),
    ...(kinds ? { kinds: kinds.map(kindToJson) } : {}),
    ...forgottenToJson(forgotten),
  })
  return failed > 0 ? 'partly' : 'done'
}

const countForgotten = ({ names }: ForgetResult): number => names.reduce((sum, { decision }) => sum + decision.forgotten.length, 0)

function describeForgotten(result: ForgetResult): string[] {
  const count = countForgotten(result)
  return [
    ...(count === 0 ? [] : [`  forgot ${plural(count, 'older version')}`]),
    ...(result.pruned ? describePruned(result.pruned, false) : []),
  ]
}

function forgottenToJson(result: ForgetResult | undefined): object {
  if (!result) return {}
  return { forgotten: countForgotten(result), pruned: result.pruned ? pruneToJson(result.pruned) : null }
}

function noteOtherSource({ console, settings }: Session, name: string, source: WalkResult, { parent }: PushResult): void {
  if (!parent || parent.host !== settings.host || parent.source.path === source.root.toWellFormed()) return
  console.reporter.note(
    `the last version of ${name} came from ${parent.source.path}, this one comes from ${source.root}; use --name to keep them apart`,
  )
}

function describe(name: string, store: Store, result: PushResult, failed: number, requests: number, milliseconds: number): string[] {
  const { reading, snapshot, newBytes, storedBytes } = result
  const lines: string[] = []
  const version = snapshot ? versionLabel({ name, id: snapshot.id }) : name
  if (result.outcome === 'stored') lines.push(`Pushed ${version} to ${store.storage.location}`)
  else if (result.outcome === 'unchanged') lines.push(`Nothing changed: ${name} is identical to its newest version ${version}.`)
  else lines.push(`Dry run: ${name} would get a new version; nothing was stored`)
  const content = `  ${plural(reading.files, 'file')}, ${formatBytes(reading.bytes)}: ${newContent(reading.bytes, newBytes, storedBytes)}`
  lines.push(...(content.length <= 80 ? [content] : content.replace('; ', ';\n  ').split('\n')))
  lines.push(`  ${plural(requests, 'request')}, ${formatDuration(milliseconds)}, ${formatBytes(reading.readBytes)} read`)
  if (failed > 0) lines.push(`  ${plural(failed, 'file')} could not be saved (see the warnings); all others were saved`)
  if (result.outcome === 'stored') lines.push(`  ${safety(store)}`)
  else if (result.outcome === 'unchanged' && store.kind === 'drive') lines.push('  Safe to disconnect: everything is already on Drive.')
  else if (result.outcome === 'unchanged' && store.kind === 'folder' && store.mounted) lines.push(`  ${safety(store)}`)
  return lines
}

function kindToJson({ group: part, files, ...sizes }: GroupUsage): object {
  const { plainBytes, distinctBytes, storedBytes, saved } = sizesToJson(sizes)
  return { kind: part, files, bytes: plainBytes, newBytes: distinctBytes, storedBytes, saved }
}

function safety(store: Store): string {
  if (store.kind === 'drive') return 'Safe to disconnect: Drive confirmed every object and the version reads back.'
  if (store.mounted)
    return store.path.startsWith('/content/')
      ? 'Written to the mount: run drive.flush_and_unmount() before you leave.'
      : 'Written to the mounted Drive: let Google Drive upload it before you shut this machine down.'
  return store.folder.isSynced ? 'Everything is synced to the disk, and the version reads back.' : 'The version reads back.'
}

function newContent(bytes: number, newBytes: number, storedBytes: number): string {
  if (newBytes === 0) return 'nothing new to store'
  const there = Math.max(0, bytes - newBytes)
  const saved = bytes > 0 ? `, ${formatPercent(Math.max(0, 1 - storedBytes / bytes))} saved` : ''
  return `${formatBytes(newBytes)} new, stored as ${formatBytes(storedBytes)}; ${formatBytes(there)} already stored${saved}`
}

function receiptToJson(name: string, result: PushResult, failed: number, requests: object): object {
  const { reading, snapshot, newBytes, storedBytes, outcome } = result
  const { files, directories, symlinks, bytes, readBytes, failedFiles } = reading
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
    failed,
    failedFiles: failedFiles.map(path => path.toWellFormed()),
    metrics: snapshot?.metrics ?? {},
    requests,
  }
}
