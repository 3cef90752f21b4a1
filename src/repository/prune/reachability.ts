import { AppError, isAppError, throwIfAborted } from '../../util/errors.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import type { SnapshotRef } from '../format/object-names.ts'
import { isLate, type StoredSnapshot } from '../format/snapshot.ts'
import type { OpenRepository } from '../open/open.ts'
import { chunkIdsOf, describeVersion } from '../read/read-manifest.ts'
import { isStillThere } from '../versions/forgotten-meanwhile.ts'
import { readSnapshot } from '../versions/versions.ts'
import { COMMITTED, LATE_ONLY, type Reachability } from './plan/reachable-chunks.ts'

/**
 * Reads all snapshots that are still there. Any that can't be read might reach anything: then nothing may be deleted, and it throws (`corrupt`, `newer-format`).
 */
export async function readRoots(repository: OpenRepository, refs: readonly SnapshotRef[]): Promise<StoredSnapshot[]> {
  const roots: StoredSnapshot[] = []
  for (const ref of refs) {
    throwIfAborted(repository.signal)
    try {
      roots.push(await readSnapshot(repository.storage, ref, repository.signal))
    } catch (error) {
      // forgotten meanwhile, or shown by a listing that lags
      if (isAppError(error, 'not-found')) continue
      if (!isAppError(error, 'corrupt')) throw error
      throw new AppError('corrupt', `${error.message}. What it needs can't be known, so nothing was deleted.`, {
        hint: `Give it up with \`colab-escape forget ${ref.name} --all\` (all versions of ${ref.name}), or delete the object ${ref.objectName}.`,
        cause: error,
      })
    }
  }
  return roots
}

/** Marks what `snapshots` reach. Throws when a committed one needs a chunk that is in no pack. */
export async function markReachable(repository: OpenRepository, snapshots: readonly StoredSnapshot[]): Promise<Reachability> {
  const { index, view } = repository
  const reached: Reachability = { flags: new Uint8Array(index.size), incomplete: [] }
  for (const snapshot of snapshots) {
    throwIfAborted(repository.signal)
    const late = isLate(snapshot)
    const flag = late ? LATE_ONLY : COMMITTED
    let complete = true
    try {
      await eachChunk(repository, snapshot, (entry, id) => {
        if (entry >= 0) reached.flags[entry] = Math.max(reached.flags[entry]!, flag)
        else if (late) complete = false
        else throw missingChunk(snapshot, id, view.inventory.asOf)
      })
    } catch (error) {
      if (!isAppError(error, 'corrupt', 'unavailable')) throw error
      // of a new version a listing may not show the packs yet, but what it had used before and is deleted now
      if (await isStillThere(repository, snapshot)) throw isNew(snapshot, view.inventory.asOf) ? notShownYet(error.message, error) : error
    }
    if (!complete) reached.incomplete.push(snapshot)
  }
  return reached
}

/** Calls `onChunk` for each chunk of a manifest and of the files in it: with the entry of its first copy, or -1. A manifest that lacks chunks is not read. */
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

/** Packs that versions about to go reach: what they free is marked at once. */
export async function packsOf(repository: OpenRepository, snapshots: readonly StoredSnapshot[]): Promise<Set<string>> {
  const { index } = repository
  const packs = new Set<number>()
  for (const snapshot of snapshots) {
    await eachChunk(repository, snapshot, entry => {
      for (let copy = entry; copy >= 0; copy = index.findNext(copy)) {
        packs.add(index.packOf(copy))
        for (const base of index.basesAt(copy)?.ids ?? []) addCopies(base)
      }
    })
  }
  function addCopies(id: Uint8Array): void {
    for (let copy = index.find(id); copy >= 0; copy = index.findNext(copy)) {
      if (packs.has(index.packOf(copy)) && index.basesAt(copy) === undefined) continue
      packs.add(index.packOf(copy))
      for (const base of index.basesAt(copy)?.ids ?? []) addCopies(base)
    }
  }
  return new Set([...packs].map(pack => index.packs[pack]!.id))
}

function missingChunk(snapshot: StoredSnapshot, id: Uint8Array, asOf: number): AppError {
  const what = `${describeVersion(snapshot)} needs the chunk ${Buffer.from(id).toString('hex', 0, 6)}, which is in no pack that can be read. Nothing was deleted.`
  if (isNew(snapshot, asOf)) return notShownYet(what)
  return new AppError('corrupt', what, {
    hint: 'Run `colab-escape check` to see which files are affected; forget that version to go on without it.',
  })
}

const isNew = ({ ref }: StoredSnapshot, asOf: number): boolean => asOf - ref.created < 60 * 60 * 1000

function notShownYet(message: string, cause?: AppError): AppError {
  return new AppError('unavailable', message, {
    hint: 'The version is new, and the store may not show all of it yet: try again in half an hour.',
    cause,
  })
}
