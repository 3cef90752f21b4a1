import type { LeftOut } from '../../local/left-out.ts'
import { versionLabel } from '../../repository/format/snapshot.ts'
import type { ForgetResult } from '../../repository/prune/forget.ts'
import type { Unread } from '../../repository/push/unread.ts'
import { firstOf, formatCount, formatDuration, formatPercent, localTime, plural } from '../../ui/format.ts'
import { formatBytes, formatBytesOf } from '../../util/format-bytes.ts'
import { shellQuoted } from '../../util/paths.ts'
import { describeLeftOut, withoutLeftOut } from '../shared/left-out-report.ts'
import { describePruned } from '../shared/space-report.ts'
import { requestsByKind, type Store } from '../shared/store.ts'
import { forgottenText } from '../space/forgotten-text.ts'
import { countFiles, describeChanges } from './changes.ts'
import { describeNoted } from './noted-text.ts'
import type { SavedVersion } from './save-version.ts'

/** A push, as its receipt tells it. */
export interface Pushed extends SavedVersion {
  name: string
  leftOut: readonly LeftOut[]
  /** The paths that are pushed after this one. Before them nobody may be told that it is safe to leave. */
  later: readonly string[]
  milliseconds: number
}

/** Content of fewer bytes is not worth a percentage: the list of its files takes as much. */
const PERCENT_FROM_BYTES = 1_000_000

/** Whether the source equals its newest version, of which the store had lost some content. */
export const isMended = ({ outcome, newBytes }: Pick<SavedVersion, 'outcome' | 'newBytes'>): boolean =>
  outcome === 'unchanged' && newBytes > 0

/** What a person wants to know of a push. What it took is told by `describeWork`. */
export function describePush(store: Store, result: Pushed): string[] {
  const { outcome, unread, leftOut, later } = result
  const link = store.kind === 'drive' && outcome === 'stored' ? store.link() : undefined
  const lines = [
    headline(store, result),
    ...(result.noted ? [describeNoted(result.noted)] : []),
    ...contentLines(store, result),
    ...(link === undefined ? [] : [`  ${link}`]),
    ...describeLeftOut(leftOut),
  ]
  if (outcome === 'stored') lines.push(...describeGrowing(result.reading.growing))
  if (unread) lines.push(...describeUnread(unread, outcome === 'stored'))
  if (later.length > 0) return [...lines, `  Not done yet: ${firstOf(later, PATHS_SHOWN)} ${later.length === 1 ? 'is' : 'are'} next.`]
  if (outcome === 'stored') lines.push(`  ${safety(store, result)}`)
  else if (outcome === 'unchanged' && store.kind === 'drive')
    lines.push(
      `  Safe to disconnect: ${unread ? 'what could be read' : leftOut.length > 0 ? 'all the rest' : 'everything'} is already on Drive.`,
    )
  else if (outcome === 'unchanged' && store.kind === 'folder' && store.mounted) lines.push(`  ${safety(store, result)}`)
  return lines
}

function headline(store: Store, result: Pushed): string {
  const { name, snapshot, unread, leftOut, newBytes } = result
  if (result.outcome === 'dry-run' || !snapshot) return `Dry run: ${name} would get a new version; nothing was stored`
  const version = versionLabel({ name, id: snapshot.id })
  if (result.outcome === 'stored') return `Pushed ${version} to ${store.storage.location}${ofOwner(store)}`
  if (isMended(result)) return `Mended ${version}: ${formatBytes(newBytes)} that the store lacked was stored again`
  if (unread) return `No new version: what could be read of ${name} is as in ${version}.`
  return `Nothing changed: ${withoutLeftOut(name, leftOut)} is identical to its newest version ${version} of ${localTime(snapshot.time)}.`
}

function contentLines(store: Store, result: Pushed): string[] {
  const { reading, outcome, changes, milliseconds } = result
  const all = `${countFiles(reading.files, reading.symlinks)}, ${formatBytes(reading.bytes)}`
  const took = formatDuration(milliseconds)
  if (outcome === 'unchanged') return [`  ${all}, compared in ${took}`]
  return [`  ${changes ? `${describeChanges(changes)}; ${all} in all` : all}`, `  ${sent(store, result, took)}`]
}

/** `1.20 MB sent in 4.0 s, 59% saved; 12.4 of 15.0 GB left`. The free space is told if the push asked for it anyway. */
function sent(store: Store, { outcome, reading, parent, newContentBytes, storedBytes, space }: Pushed, took: string): string {
  const list = newContentBytes === 0 ? ' (the list of files)' : storedBytes > newContentBytes ? ', with the list of files,' : ''
  const saved = 1 - storedBytes / reading.bytes
  const percent = !parent && reading.bytes >= PERCENT_FROM_BYTES && saved >= 0.01 ? `, ${formatPercent(saved)} saved` : ''
  const left = space === undefined ? '' : `; ${formatBytesOf(Math.max(0, space.free - storedBytes), space.limit)} left`
  const verb = store.kind === 'drive' ? 'sent' : 'stored'
  if (outcome === 'dry-run') return `${formatBytes(storedBytes)}${list} would be ${verb}${percent}`
  return `${formatBytes(storedBytes)}${list} ${verb} in ${took}${percent}${left}`
}

/** What a push took, for --verbose. */
export function describeWork({ reading, newBytes, storedBytes, packs }: Pushed, requests: Record<string, number>, codec: string): string {
  const there = Math.max(0, reading.bytes - newBytes)
  return [
    `${formatBytes(reading.readBytes)} read`,
    `${formatBytes(newBytes)} new with the list of files, stored as ${formatBytes(storedBytes)} in ${plural(packs.length, 'pack')}`,
    `${formatBytes(there)} already stored`,
    `${codec} zstd`,
    requestsByKind(requests),
  ].join('; ')
}

/** Tells if what was stored went into somebody else's folder. */
function ofOwner(store: Store): string {
  const owner = store.kind === 'drive' ? store.owner() : undefined
  return owner === undefined ? '' : `, in a folder of ${owner}`
}

/** How many paths are named in the receipt. */
const PATHS_SHOWN = 5

/** How many growing logs have a line of their own. */
const GROWING_SHOWN = 3

function describeGrowing(growing: readonly { path: string; size: number }[]): string[] {
  const lines = growing
    .slice(0, GROWING_SHOWN)
    .map(({ path, size }) => `  ${path} was still being written: its first ${formatBytes(size)} are in this version`)
  const more = growing.length - lines.length
  return more > 0 ? [...lines, `  and ${plural(more, 'other log')}`] : lines
}

function describeUnread({ carried, missing, from }: Unread, stored: boolean): string[] {
  const folders = missing.filter(path => path.endsWith('/')).length
  const files = carried.length + missing.length - folders
  const what = [files > 0 ? plural(files, 'file') : '', folders > 0 ? `${plural(folders, 'folder')} of unknown content` : '']
  const lines = [
    `  ${what.filter(text => text !== '').join(' and ')} could not be saved (see the warnings)${stored ? '; all others were saved' : ''}`,
  ]
  if (from && carried.length > 0)
    lines.push(`  ${formatCount(carried.length)} kept as in ${versionLabel(from)}: ${firstOf(carried, PATHS_SHOWN)}`)
  if (missing.length > 0) lines.push(`  ${formatCount(missing.length)} missing: ${firstOf(missing, PATHS_SHOWN)}`)
  return lines
}

export function describeForgotten(name: string, result: ForgetResult): string[] {
  const text = forgottenText(result)
  const others = result.names.reduce((sum, { ofOtherLines }) => sum + ofOtherLines, 0)
  return [
    ...(text === undefined ? [] : [`  ${text}`, `  Undo: colab-escape unforget ${shellQuoted(name)}`]),
    ...(others === 0
      ? []
      : [
          `  ${plural(others, 'version')} that this folder does not continue ${others === 1 ? 'stays' : 'stay'} (forget ${name} decides about all)`,
        ]),
    ...(result.pruned ? describePruned(result.pruned, false) : []),
  ]
}

function safety(store: Store, { sample, readAgain, leftOut }: Pushed): string {
  if (store.kind === 'drive') return 'Safe to disconnect: Drive has every object and confirmed its checksum.'
  if (store.mounted)
    return store.path.startsWith('/content/')
      ? 'Written to the mount: run drive.flush_and_unmount() before you leave.'
      : 'Written to the mounted Drive: let Google Drive upload it before you shut this machine down.'
  const all = !readAgain || readAgain.read === readAgain.stored
  const everything = leftOut.length > 0 ? 'all that is new' : 'everything new'
  const back = `${all ? everything : `${formatBytes(readAgain.read)} of what is new`} was read back`
  const isNew = store.folder.isSynced ? `Synced to the disk: ${back}` : `${back[0]!.toUpperCase()}${back.slice(1)}`
  if (!sample) return `${isNew}.`
  return sample.problems.length > 0 ? `${isNew}. Older data can't be read back (see the warning).` : `${isNew}, and a sample of the rest.`
}
