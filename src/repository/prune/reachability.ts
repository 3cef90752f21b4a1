import { AppError, isAppError, throwIfAborted } from '../../util/errors.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import { mapSideBySide } from '../../util/side-by-side.ts'
import { asSentence } from '../../util/words.ts'
import { GRACE_MS } from '../format/limits.ts'
import type { SnapshotRef } from '../format/object-names.ts'
import { isPending, type StoredSnapshot } from '../format/snapshot.ts'
import type { OpenRepository } from '../open/open.ts'
import { PARALLEL_READS } from '../open/view.ts'
import { chunkIdsOf, describeVersion } from '../read/read-manifest.ts'
import { isStillThere } from '../versions/forgotten-meanwhile.ts'
import { readSnapshot } from '../versions/versions.ts'
import { COMMITTED, LATE_ONLY, type Reachability } from './plan/reachable-chunks.ts'

/** A larger manifest (bytes) fills the window of a reader by itself. */
const SMALL_MANIFEST_BYTES = 2 * 1024 * 1024

/** So many manifests are read at a time. */
export function manifestsAtOnce(snapshots: readonly StoredSnapshot[]): number {
  return snapshots.every(({ manifest }) => manifest.bytes <= SMALL_MANIFEST_BYTES) ? PARALLEL_READS : 1
}

/**
 * Reads all snapshots that still exist. Throws `corrupt` or `newer-format` if one can't be read: it may need any chunk,
 * so nothing may be deleted.
 */
export async function readRoots(repository: OpenRepository, refs: readonly SnapshotRef[]): Promise<StoredSnapshot[]> {
  const roots = await mapSideBySide(refs, PARALLEL_READS, async ref => {
    throwIfAborted(repository.signal)
    try {
      return await readSnapshot(repository.storage, ref, repository.signal)
    } catch (error) {
      // forgotten meanwhile, or shown by a listing that lags
      if (isAppError(error, 'not-found')) return undefined
      if (!isAppError(error, 'corrupt')) throw error
      throw new AppError('corrupt', `${asSentence(error.message)} It is unknown which chunks it needs, so nothing was deleted.`, {
        hint: `Run \`colab-escape repair\`. If nothing can be done, \`colab-escape repair --give-up\` deletes the object ${ref.objectName}.`,
        cause: error,
      })
    }
  })
  return roots.filter(root => root !== undefined)
}

/**
 * Flags the chunks that `snapshots` reach. Throws if one reaches a chunk that is in no pack, unless its push may still
 * replace it.
 */
export async function markReachable(repository: OpenRepository, snapshots: readonly StoredSnapshot[]): Promise<Reachability> {
  const { index, view } = repository
  const reachable: Reachability = { flags: new Uint8Array(index.size) }
  await mapSideBySide(snapshots, manifestsAtOnce(snapshots), async snapshot => {
    throwIfAborted(repository.signal)
    const pending = isPending(snapshot, view.inventory)
    const flag = pending ? LATE_ONLY : COMMITTED
    try {
      await eachChunk(repository, snapshot, (entry, id) => {
        if (entry >= 0) reachable.flags[entry] = Math.max(reachable.flags[entry]!, flag)
        else if (!pending) throw missingChunk(snapshot, id, view.inventory.asOf)
        else reachable.lacksChunks = true
      })
    } catch (error) {
      if (!isAppError(error, 'corrupt', 'unavailable')) throw error
      // the listing may not show all packs of a new version yet, and still show packs that are deleted by now
      if (!(await isStillThere(repository, snapshot))) return
      throwIfNotShownYet(error, snapshot, view.inventory.asOf)
      throw mayArrive(error) ? error : damaged(`${asSentence(error.message)} Nothing was deleted.`, error)
    }
  })
  return reachable
}

/**
 * Calls `onChunk` for each chunk that a snapshot reaches, with the entry number of its first copy, or -1. If the
 * manifest itself lacks chunks, the chunks of the files are left out.
 */
async function eachChunk(
  repository: OpenRepository,
  snapshot: StoredSnapshot,
  onChunk: (entry: number, id: Uint8Array) => void,
): Promise<void> {
  const { index } = repository
  let isManifest = true
  for await (const ids of chunkIdsOf(repository, snapshot)) {
    let lacksChunks = false
    for (let i = 0; i < ids.length; i += HASH_BYTES) {
      const entry = index.find(ids, i)
      if (entry < 0) lacksChunks = true
      onChunk(entry, ids.subarray(i, i + HASH_BYTES))
    }
    if (isManifest && lacksChunks) return
    isManifest = false
  }
}

/** The ids of all packs with copies of chunks that `snapshots` need, bases included. */
export async function packsOf(repository: OpenRepository, snapshots: readonly StoredSnapshot[]): Promise<Set<string>> {
  const { index } = repository
  const packs = new Set<number>()
  /** First copies of chunks: each chunk is followed once, also in a circle of bases. */
  const followed = new Set<number>()
  const addCopies = (entry: number): void => {
    const firsts = [entry]
    for (let first = firsts.pop(); first !== undefined; first = firsts.pop()) {
      if (followed.has(first)) continue
      followed.add(first)
      for (let copy = first; copy >= 0; copy = index.findNext(copy)) {
        packs.add(index.packOf(copy))
        for (const id of index.basesAt(copy)?.ids ?? []) firsts.push(index.find(id))
      }
    }
  }
  await mapSideBySide(snapshots, manifestsAtOnce(snapshots), snapshot => eachChunk(repository, snapshot, addCopies))
  return new Set([...packs].map(pack => index.packs[pack]!.id))
}

function missingChunk(snapshot: StoredSnapshot, id: Uint8Array, asOf: number): AppError {
  const chunk = Buffer.from(id).toString('hex', 0, 6)
  const message = `${describeVersion(snapshot)} needs the chunk ${chunk}, which is in no pack that can be read. Nothing was deleted.`
  return lacksData(snapshot, message, asOf)
}

/**
 * The error for a version that lacks chunks. `unavailable` if it is new: its chunks may only not be listed yet.
 */
export function lacksData(snapshot: StoredSnapshot, message: string, asOf: number): AppError {
  if (isNew(snapshot, asOf)) return notShownYet(message)
  return damaged(message, undefined, true)
}

function damaged(message: string, cause: AppError | undefined, isMissing = false): AppError {
  return new AppError('corrupt', message, {
    hint: 'Run `colab-escape repair`: it shows which files are affected, and what can be done.',
    cause,
    isMissing,
  })
}

/** Throws `unavailable` if what a new version lacks may only not be listed yet. */
export function throwIfNotShownYet(error: AppError, snapshot: StoredSnapshot, asOf: number): void {
  if (mayArrive(error) && isNew(snapshot, asOf)) throw notShownYet(error.message, error)
}

/** False for bytes that are there and damaged: waiting does not heal them. */
const mayArrive = (error: AppError): boolean => error.code === 'unavailable' || error.isMissing

const isNew = ({ ref }: StoredSnapshot, asOf: number): boolean => asOf - ref.created < GRACE_MS

function notShownYet(message: string, cause?: AppError): AppError {
  return new AppError('unavailable', message, {
    hint: 'The version is new, and the store may not show all of it yet: try again in half an hour. If it says so again, run `colab-escape repair`.',
    cause,
  })
}
