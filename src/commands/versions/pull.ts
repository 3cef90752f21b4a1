import { checkPatterns } from '../../local/ignore-rules.ts'
import { lineOf, versionLabel, type StoredSnapshot } from '../../repository/format/snapshot.ts'
import { openForReading } from '../../repository/open/open.ts'
import { pull, type PullResult } from '../../repository/pull/pull.ts'
import { describeRefusal, type Refusal, type Refusals } from '../../repository/pull/refusals.ts'
import { findSelection } from '../../repository/pull/selection.ts'
import { parseVersionOrPath } from '../../repository/versions/versions.ts'
import { describeIncomplete, formatCount, formatDuration, plural } from '../../ui/format.ts'
import { jsonPath, shownPath } from '../../ui/shown-path.ts'
import { AppError } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { findVersion } from '../shared/find-version.ts'
import { isMounted } from '../shared/mounts.ts'
import { ownFiles } from '../shared/own-files.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { chooseStore, requestsByKind, requireLocal } from '../shared/store.ts'
import { countFiles } from './changes.ts'

export interface PullOptions {
  only?: string[]
  exclude?: string[]
  delete?: boolean
  force?: boolean
  dryRun?: boolean
  specialModes?: boolean
  allowGrowth?: boolean
  checkpoint?: boolean
}

export async function pullCommand(
  session: Session,
  version: string,
  destination: string | undefined,
  options: PullOptions,
): Promise<Outcome> {
  const started = performance.now()
  if (destination !== undefined) requireLocal(destination)
  const { version: spec, path: named } = parseVersionOrPath(version)
  if (named !== undefined && options.checkpoint === true)
    throw new AppError('usage', `${version} already names a path, so --checkpoint can't choose another.`, {
      hint: 'Leave out one of them.',
    })
  checkPatterns('--only', options.only ?? [])
  checkPatterns('--exclude', options.exclude ?? [])
  const store = await chooseStore(session)
  const { storage, requests } = store
  const looking = session.context(storage, 0)
  const repository = await openForReading(looking, spec.at === undefined && spec.back === 0 ? spec.name : undefined)
  const snapshot = await findVersion(session, repository, spec)
  const path = options.checkpoint === true ? checkpointOf(snapshot) : named
  const { entry: selected, pattern } = path === undefined ? {} : await findSelection(repository, snapshot, path)
  if (pattern !== undefined && options.only !== undefined)
    throw new AppError('usage', `${version} already has a pattern, so --only can't add another.`, {
      hint: 'Give both patterns with --only.',
    })
  const context = session.context(storage, snapshot.bytes)
  const keepsExtras = options.delete === true && options.force !== true && lacksFiles(snapshot)
  if (keepsExtras)
    session.console.reporter.warn(
      `${versionLabel(snapshot)} is ${describeIncomplete(snapshot.incomplete!)}: a local file that it does not have may be one of them, so nothing is deleted without --force`,
    )
  const result = await pull(
    context,
    { ...repository, pool: context.pool },
    {
      snapshot,
      selected,
      destination,
      only: pattern === undefined ? (options.only ?? []) : [pattern],
      exclude: options.exclude ?? [],
      delete: options.delete === true && !keepsExtras,
      force: options.force === true,
      specialModes: options.specialModes === true,
      allowGrowth: options.allowGrowth === true,
      dryRun: options.dryRun === true,
      skip: ownFiles(session, store),
      openCache: async (source, keys) => (await session.openCache(source)).withKeys(keys, session.console.reporter),
    },
  )
  // a part of a version is not what the folder goes on from
  const isWhole = path === undefined && [...(options.only ?? []), ...(options.exclude ?? [])].length === 0
  if (options.dryRun !== true && isWhole && result.damaged.length === 0)
    await session.lines.write({ location: storage.location, name: snapshot.name, source: result.destination }, lineOf(snapshot))
  for (const { path, why } of result.damaged) session.console.reporter.warn(`${shownPath(path)} was not restored: ${why}`)
  const trash = result.damaged.length > 0 ? await session.trashHint() : undefined
  if (trash !== undefined) session.console.reporter.warn(trash)
  const refused = result.plan.refused.found
  for (const refusal of refused) session.console.reporter.warn(describeRefusal(refusal, result.destination, shownPath))
  noteStrangeThings(session, result)
  const human = options.dryRun === true ? describePlan(snapshot, result) : describe(snapshot, result, performance.now() - started)
  session.console.reporter.detail(requestsByKind(requests()))
  session.console.result(human, receiptToJson(snapshot, result, options.dryRun === true, requests()))
  return result.damaged.length > 0 ? 'damaged' : refused.length > 0 || keepsExtras ? 'partly' : 'done'
}

function noteStrangeThings({ console: { reporter } }: Session, result: PullResult): void {
  const {
    plan: { modesLeftOut },
    outsideLinks,
    withoutAttributes,
    staleParts,
    destination,
  } = result
  if (modesLeftOut > 0)
    reporter.note(
      `${plural(modesLeftOut, 'file or folder', 'files and folders')} without set-user-id, set-group-id and sticky bits and permission for everybody to write, as a push from here stores them then: --special-modes restores modes as they are`,
    )
  if (staleParts.files > 0)
    reporter.note(
      `${plural(staleParts.files, 'unfinished file')} (${formatBytes(staleParts.bytes)}) of pulls ${staleParts.files === 1 ? 'is' : 'are'} in ${destination}, named .colab-escape-*.part: if no other pull runs there, remove them`,
    )
  if (withoutAttributes > 0)
    reporter.note(
      `the file system of ${destination} did not take the mode or time of ${plural(withoutAttributes, 'file or folder', 'files and folders')}`,
    )
  if (outsideLinks > 0)
    reporter.note(`${plural(outsideLinks, 'symlink')} of the version ${outsideLinks === 1 ? 'points' : 'point'} outside ${destination}`)
}

/** The path of what the metrics of a version belong to. */
function checkpointOf(snapshot: StoredSnapshot): string {
  if (snapshot.checkpoint !== undefined) return snapshot.checkpoint
  const version = versionLabel(snapshot)
  throw new AppError('not-found', `It is not recorded which checkpoint the metrics of ${version} belong to.`, {
    hint: `List what is there: colab-escape ls ${version}. Then name it: colab-escape pull ${version}:checkpoint-400`,
  })
}

/** Whether files of the source are missing in a version, because they could not be read when it was pushed. */
const lacksFiles = ({ incomplete }: StoredSnapshot): boolean => incomplete !== undefined && incomplete.carried < incomplete.files

function describe(snapshot: StoredSnapshot, result: PullResult, milliseconds: number): string[] {
  const { written, writtenBytes, resumedBytes, unchanged, deleted, damaged, plan } = result
  const synced = written > 0 && isSynced(result) ? ', and what was written is synced to the disk' : ''
  const parts = [
    `${countFiles(written - result.writtenSymlinks, result.writtenSymlinks)} written (${formatBytes(writtenBytes)})`,
    `${formatCount(unchanged + plan.touch.length)} already up to date`,
  ]
  if (deleted > 0) parts.push(`${formatCount(deleted)} deleted`)
  const lines = [`Pulled ${versionLabel(snapshot)} into ${result.destination}`, `  ${parts.join(', ')}`]
  if (snapshot.incomplete) lines.push(`  the version is ${describeIncomplete(snapshot.incomplete)}`)
  if (resumedBytes > 0) lines.push(`  ${formatBytes(resumedBytes)} reused from an interrupted pull`)
  lines.push(`  every byte verified${synced}; ${formatDuration(milliseconds)}`)
  if (damaged.length > 0)
    lines.push(`  ${plural(damaged.length, 'file')} could not be restored: the repository is damaged (see the warnings)`)
  lines.push(...describeRefused(plan.refused))
  return lines
}

const isKept = ({ step }: Refusal): boolean => step === 'removal' || step === 'listing'

function describeRefused({ found, cures }: Refusals): string[] {
  if (found.length === 0) return []
  const [kept, left] = [found.filter(isKept), found.filter(refusal => !isKept(refusal))]
  const what = [
    ...(left.length > 0 ? [`${plural(left.length, 'file or folder', 'files and folders')} could not be restored there`] : []),
    ...(kept.length > 0
      ? [`${left.length > 0 ? formatCount(kept.length) : plural(kept.length, 'file or folder', 'files and folders')} could not be deleted`]
      : []),
  ]
  const again = cures.size > 0 ? ['Then run the same pull again.'] : []
  return [`  ${what.join(', and ')} (see the warnings); all others are done`, ...[...cures].map(cure => `${cure}.`), ...again].map(
    (line, at) => (at === 0 ? line : `  -> ${line}`),
  )
}

/** A mounted Drive uploads what was synced to it later. */
function isSynced({ destination, isSynced }: PullResult): boolean {
  return isSynced && !isMounted(destination)
}

function describePlan(snapshot: StoredSnapshot, { plan, destination, unchanged }: PullResult): string[] {
  const bytes = plan.files.reduce((sum, { entry }) => sum + entry.size, 0)
  const lines = [
    `Dry run: pulling ${versionLabel(snapshot)} into ${destination} would write ${countFiles(plan.files.length, plan.symlinks.length)} (${formatBytes(bytes)}), leave ${formatCount(unchanged)} unchanged and delete ${formatCount(plan.remove.length)}`,
  ]
  for (const { entry } of [...plan.files, ...plan.symlinks].slice(0, 20)) lines.push(`  write ${shownPath(entry.path)}`)
  for (const { path } of plan.remove.slice(0, 20)) lines.push(`  delete ${shownPath(path)}`)
  const more = Math.max(0, plan.files.length + plan.symlinks.length - 20) + Math.max(0, plan.remove.length - 20)
  return more > 0 ? [...lines, `  ... and ${formatCount(more)} more`] : lines
}

function receiptToJson(snapshot: StoredSnapshot, result: PullResult, dryRun: boolean, requests: object): object {
  const { destination, plan, written, writtenBytes, resumedBytes, unchanged, deleted, damaged } = result
  return {
    command: 'pull',
    name: snapshot.name,
    version: snapshot.id,
    destination,
    dryRun,
    toWrite: plan.files.length + plan.symlinks.length,
    toDelete: plan.remove.length,
    written,
    writtenSymlinks: result.writtenSymlinks,
    writtenBytes,
    resumedBytes,
    unchanged,
    deleted,
    modesLeftOut: plan.modesLeftOut,
    withoutAttributes: result.withoutAttributes,
    outsideLinks: result.outsideLinks,
    synced: isSynced(result),
    damaged: damaged.map(({ path, why }) => ({ path: jsonPath(path), why })),
    refused: plan.refused.found.map(({ path, why }) => ({ path: jsonPath(path), why })),
    incomplete: snapshot.incomplete ?? null,
    requests,
  }
}
