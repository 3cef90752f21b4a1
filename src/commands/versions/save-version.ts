import { basename, dirname, resolve } from 'node:path'
import type { Level } from '../../compression/limits.ts'
import { readGitState } from '../../local/git-state.ts'
import type { WalkResult } from '../../local/walk.ts'
import { basesUnderRules } from '../../repository/push/bases-under-rules.ts'
import { checkName, nameProblem } from '../../repository/format/object-names.ts'
import { lineOf } from '../../repository/format/snapshot.ts'
import type { RepositoryContext } from '../../repository/open/open.ts'
import { push, type PushRequest, type PushResult } from '../../repository/push/push.ts'
import type { Metrics } from '../../repository/versions/metrics.ts'
import { saveNotedVersion } from '../../repository/versions/noted-version.ts'
import type { RetentionPolicy } from '../../repository/versions/retention.ts'
import { checkTags } from '../../repository/versions/tags.ts'
import { AppError } from '../../util/errors.ts'
import type { Session } from '../shared/session.ts'

/** Maximum length of a message, in characters. */
const MAX_MESSAGE = 1000

/** The options shared by push and watch. */
export interface SaveOptions {
  name?: string
  message?: string
  tag?: string[]
  exclude?: string[]
  level: Level
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
}

/** Pushes a version, and notes it on this machine as the newest of its name. */
export async function saveVersion(
  session: Session,
  context: RepositoryContext,
  options: SaveOptions,
  { name, source, metrics, checkpoint, policy, live, mayCreate, readBack, dryRun = false }: VersionToSave,
): Promise<PushResult> {
  const about = { location: context.storage.location, name, source: source.root }
  const rules = options.delta === false ? undefined : policy ? basesUnderRules(policy) : {}
  const result = await push(context, {
    name,
    line: { noted: session.lines.read(about), compare: policy !== undefined },
    source,
    ...(live === undefined ? {} : { live }),
    level: options.level,
    blockBytes: context.pool.maxBlockBytes(options.level),
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
    mayCreate,
    readBack,
  })
  const { snapshot, reading } = result
  if (snapshot) {
    const noted = { id: snapshot.id, name, time: snapshot.time, entries: reading.entries }
    if (snapshot.source.path === source.root.toWellFormed()) await session.lines.write(about, lineOf(snapshot))
    await saveNotedVersion(session.notedVersionFile(context.storage.location, name), noted, context.reporter)
  }
  return result
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
  const name = basename(resolve(path))
  const problem = nameProblem(name)
  if (problem === undefined) return name
  throw new AppError('usage', `The name of ${resolve(path)} can't be the name of a version (${JSON.stringify(name)}: ${problem}).`, {
    hint: 'Set a name with --name.',
  })
}
