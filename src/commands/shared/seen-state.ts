import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { replaceFile } from '../../local/replace-file.ts'
import { CONFIG_NAME, parseSnapshotObjectName, type SnapshotRef } from '../../repository/format/object-names.ts'
import type { Listing } from '../../storage/storage.ts'
import { AppError, errnoOf, messageOf } from '../../util/errors.ts'
import { makeFolder } from '../../util/file-system.ts'
import { fileNameFor } from '../../util/hash.ts'
import { isRecord } from '../../util/json-fields.ts'
import { readSmallFile } from '../../util/small-file.ts'
import type { Session } from './session.ts'

const MAX_BYTES = 4096
/** A listing may lag behind what this machine has seen itself (L of docs/format.md), ms. */
const LAG_MS = 19 * 60 * 1000

/** What this machine remembers of an encrypted store. */
interface SeenState {
  location: string
  keyId: string
  /** The newest version. */
  newest?: { name: string; time: number; shortId: string; created: number } | undefined
}

type SeenSession = Pick<Session, 'settings' | 'console' | 'stores'>

const fileOf = ({ settings, stores }: SeenSession, location: string): string =>
  join(settings.configFolder, 'encrypted', `${fileNameFor(stores.keyOf(location))}.json`)

function read(file: string, session: SeenSession): SeenState | undefined {
  try {
    const seen: unknown = JSON.parse(readSmallFile(file, { maxBytes: MAX_BYTES, mustBeOwn: true }).toString())
    if (isRecord(seen) && typeof seen.location === 'string' && typeof seen.keyId === 'string' && isVersion(seen.newest))
      return seen as unknown as SeenState
    throw new Error('it is damaged')
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') session.console.reporter.warn(`${file} is not used: ${messageOf(error)}`)
    return undefined
  }
}

function isVersion(newest: unknown): boolean {
  if (newest === undefined) return true
  if (!isRecord(newest) || typeof newest.name !== 'string' || typeof newest.shortId !== 'string') return false
  return [newest.time, newest.created].every(ms => typeof ms === 'number' && Math.abs(ms) <= 8.64e15)
}

/** Whether this machine has used an encrypted repository there. */
export function wasEncrypted(session: SeenSession, location: string): boolean {
  return existsSync(fileOf(session, location))
}

/**
 * Throws `conflict` for a store without encryption that holds something, where this machine has used an encrypted
 * repository: nothing must be pushed there that was meant to be secret. What this machine remembers may be damaged: it
 * remembers nothing else than encrypted repositories.
 */
export function refuseOpenedUp(session: SeenSession, location: string, { objects }: Listing): void {
  if (objects.length === 0 || !wasEncrypted(session, location)) return
  const isRepository = objects.some(({ name }) => name === CONFIG_NAME)
  const what = isRepository
    ? `The repository in ${location} is not encrypted, but the one that this machine used there was.`
    : `${location} holds no encrypted repository any more, but this machine used one there.`
  throw new AppError('conflict', what, {
    hint: `Somebody who can write to the store may have exchanged it, or deleted its object whose name begins with feature-encrypted-: then bring it back from the trash. If you know that this is another repository, remove ${fileOf(session, location)}.`,
  })
}

/** Throws `conflict` where this machine has used an encrypted repository. For calls that store without encryption. */
export function refusePlainObject(session: SeenSession, location: string): void {
  if (!wasEncrypted(session, location)) return
  throw new AppError(
    'conflict',
    `This machine used an encrypted repository in ${location}, so it stores nothing there without encryption.`,
    {
      hint: `Make a new one with \`colab-escape push <path> --encrypt --create\`. To have one without encryption there, remove ${fileOf(session, location)}.`,
    },
  )
}

/** A repository that this machine has just made takes the place of the one that was there. */
export async function noteMade(session: SeenSession, location: string, keyId: string): Promise<void> {
  await write(session, fileOf(session, location), { location, keyId })
}

/** Tells if the store shows an older state than this machine has seen, and remembers the newest version. */
export async function noteState(session: SeenSession, location: string, keyId: string, { objects, asOf }: Listing): Promise<void> {
  const file = fileOf(session, location)
  const seen = read(file, session)
  if (seen !== undefined && seen.keyId !== keyId)
    throw new AppError('conflict', `The repository in ${location} has another master key than the one that this machine used there.`, {
      hint: `Somebody who can write to the store may have exchanged it. If you know that this is another repository, remove ${file}.`,
    })
  const versions = objects.map(parseSnapshotObjectName).filter(ref => ref !== undefined)
  const newest = versions.sort((a, b) => a.time - b.time).at(-1)
  const last = seen?.newest
  if (last !== undefined && !versions.some(({ time, shortId }) => time > last.time || shortId === last.shortId)) {
    // a listing may not show it yet: what is remembered must outlast that
    if (last.created >= asOf - LAG_MS) return
    session.console.reporter.warn(
      `${location} shows an older state than this machine has seen: ${last.name}@${last.shortId.slice(0, 8)} of ${new Date(last.time).toISOString()} is not there, and nothing newer. If nobody has forgotten that version, somebody has put back an old state of the store`,
    )
  }
  await write(session, file, { location, keyId, newest: newest && keptOf(newest) }, seen)
}

const keptOf = ({ name, time, shortId, created }: SnapshotRef): SeenState['newest'] => ({ name, time, shortId, created })

/** This machine itself has removed an object, which may be the newest version. */
export async function noteRemoved(session: SeenSession, location: string, keyId: string, name: string): Promise<void> {
  const removed = parseSnapshotObjectName({ name, size: 0, created: 0 })
  if (removed === undefined) return
  const file = fileOf(session, location)
  const seen = read(file, session)
  if (seen?.newest?.shortId === removed.shortId) await write(session, file, { location, keyId })
}

async function write(session: SeenSession, file: string, now: SeenState, before?: SeenState): Promise<void> {
  if (JSON.stringify(before) === JSON.stringify(now)) return
  try {
    makeFolder(dirname(file), { mode: 0o700 })
    await replaceFile(file, JSON.stringify(now))
  } catch (error) {
    session.console.reporter.warn(`This machine can't remember the state of ${now.location}: ${messageOf(error)}`)
  }
}
