import { basename, dirname, resolve } from 'node:path'
import type { Level, LevelChoice } from '../../compression/limits.ts'
import { readGitState } from '../../local/git-state.ts'
import type { WalkResult } from '../../local/walk.ts'
import { checkName, nameProblem, normalName } from '../../repository/format/object-names.ts'
import { lineOf, versionLabel, type StoredSnapshot } from '../../repository/format/snapshot.ts'
import type { RepositoryContext } from '../../repository/open/open.ts'
import { writeReadme } from '../../repository/open/readme.ts'
import { basesUnderRules } from '../../repository/push/bases-under-rules.ts'
import { push, type PushRequest, type PushResult } from '../../repository/push/push.ts'
import { readManifest } from '../../repository/read/read-manifest.ts'
import type { Metrics } from '../../repository/versions/metrics.ts'
import { notedEntries, saveNotedVersion } from '../../repository/versions/noted-version.ts'
import type { RetentionPolicy } from '../../repository/versions/retention.ts'
import { checkTags } from '../../repository/versions/tags.ts'
import { autoLevel, type LevelRule } from '../../repository/write/level-for.ts'
import { AppError, messageOf } from '../../util/errors.ts'
import type { Session } from '../shared/session.ts'
import { countChanges, type Changes } from './changes.ts'

/** Maximum length of a message, in characters. */
const MAX_MESSAGE = 1000

/** The options shared by push and watch. */
export interface SaveOptions {
  name?: string
  message?: string
  tag?: string[]
  exclude?: string[]
  level: LevelChoice
  /** False with --no-delta. */
  delta?: boolean
  /** Reads all files, also those that look unchanged. */
  reread?: boolean
  /** True with --create. */
  create?: boolean
}

export interface VersionToSave {
  name: string
  source: WalkResult
  metrics: Metrics
  /** The path in the version of what the metrics belong to. */
  checkpoint?: string | undefined
  /** The rules for older versions, which the caller applies afterwards. */
  policy: RetentionPolicy | undefined
  live?: PushRequest['live']
  mayCreate: PushRequest['mayCreate']
  readBack: PushRequest['readBack']
  dryRun?: boolean
  /** Whether the store is encrypted, as far as is known when the version is stored. */
  isEncrypted?: () => boolean
  /** Counts what changed since the version before. */
  countsChanges?: boolean
}

export interface SavedVersion extends PushResult {
  /** Undefined if nobody asked, there is no version before, or it can't be read. */
  changes?: Changes | undefined
}

/** Pushes a version, and notes it on this machine as the newest of its name. */
export async function saveVersion(
  session: Session,
  context: RepositoryContext,
  options: SaveOptions,
  {
    name,
    source,
    metrics,
    checkpoint,
    policy,
    live,
    mayCreate,
    readBack,
    dryRun = false,
    countsChanges = false,
    isEncrypted,
  }: VersionToSave,
): Promise<SavedVersion> {
  const about = { location: context.storage.location, name, source: source.root }
  let newRepository = false
  const rules = options.delta === false ? undefined : policy ? basesUnderRules(policy) : {}
  const result = await push(context, {
    name,
    line: { noted: session.lines.read(about), compare: policy !== undefined },
    source,
    ...(live === undefined ? {} : { live }),
    level: levelOf(options.level, context.storage.location, dryRun),
    cache: await session.openCache(source.root, options.reread),
    bases: rules && { cache: session.tensorCache(), ...rules },
    message: options.message,
    tags: checkTags(options.tag ?? []),
    metrics,
    checkpoint,
    git: readGitState(source.rootType === 'file' ? dirname(source.root) : source.root),
    dryRun,
    host: session.settings.host,
    program: session.program,
    mayCreate: async inventory => {
      await mayCreate?.(inventory)
      newRepository = true
    },
    readBack,
  })
  if (newRepository && !dryRun) await writeReadme(context, isEncrypted?.() === true)
  const { snapshot, reading, parent } = result
  const note = session.notedVersionFile(context.storage.location, name)
  const isNew = result.outcome === 'stored' || result.outcome === 'dry-run'
  // before the note of the version before is replaced
  const changes = countsChanges && isNew && parent ? await changesSince(parent, result, context, note) : undefined
  if (snapshot) {
    const { id, time, root } = snapshot
    const keyId = result.index.chunkKeys.id || undefined
    const noted = { id, name, keyId, time, rootMode: root?.mode, entries: reading.entries }
    if (snapshot.source.path === source.root.toWellFormed()) await session.lines.write(about, lineOf(snapshot))
    await session.stores.save()
    await saveNotedVersion(note, noted, context.reporter)
  }
  return { ...result, changes }
}

/** Nothing waits for a link in a dry run, or where the store is a folder, which takes bytes at once. */
function levelOf(level: LevelChoice, location: string, dryRun: boolean): Level | LevelRule {
  if (level !== 'auto') return level
  return dryRun || !location.startsWith('drive:') ? 'balanced' : autoLevel()
}

/** Reads the version before from the note of this machine, else from the store. */
async function changesSince(
  parent: StoredSnapshot,
  { reading, index }: PushResult,
  { storage, pool, signal, reporter }: RepositoryContext,
  note: string | undefined,
): Promise<Changes | undefined> {
  const noted = note === undefined ? undefined : await countChanges(notedEntries(note, parent.id), reading.entries).catch(() => undefined)
  if (noted) return noted
  return countChanges(readManifest({ storage, index, pool, signal }, parent), reading.entries).catch((error: unknown) => {
    reporter.detail(`what changed since ${versionLabel(parent)} can't be told: ${messageOf(error)}`)
    return undefined
  })
}

/** Checks the options before anything is read. Errors: `usage`. */
export function checkSaveOptions({ message = '', tag = [] }: SaveOptions): void {
  if (message.length > MAX_MESSAGE)
    throw new AppError('usage', `The message has ${message.length} characters; the maximum is ${MAX_MESSAGE}.`, {
      hint: 'Push a longer text as a file.',
    })
  checkTags(tag)
}

/** The name of the version: --name, or the name of the folder or file. */
export function versionName(path: string, { name }: SaveOptions): string {
  return name === undefined ? nameOf(path) : checkName(name)
}

function nameOf(path: string): string {
  const name = normalName(basename(resolve(path)))
  const problem = nameProblem(name)
  if (problem === undefined) return name
  const what =
    name === '' ? `${resolve(path)} has no name of its own` : `${JSON.stringify(name)}, from ${resolve(path)}, can't be a name: ${problem}`
  throw new AppError('usage', `${what}.`, { hint: 'Choose a name for its versions with --name, e.g. --name data.' })
}
