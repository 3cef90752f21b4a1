import type { LimitFunction } from 'p-limit'
import type { Storage } from '../../storage/storage.ts'
import { isAppError } from '../../util/errors.ts'
import { groupBy } from '../../util/group-by.ts'
import { compareSnapshots, isAbsurdTime, type Inventory, type SnapshotRef } from '../format/object-names.ts'
import { decodeSnapshot, type StoredSnapshot } from '../format/snapshot.ts'

/**
 * Finds when versions with absurd times were made, and orders the inventory's snapshots by that. Creation times alone
 * would not do: a copy of a repository has new ones. A version is older than those that were pushed after it, so the
 * snapshots of its name are read. Reads nothing if no time is absurd. Time: linear in the bytes of these snapshots, but
 * for sorting.
 */
export async function findEffectiveTimes(
  storage: Storage,
  inventory: Inventory,
  limit: LimitFunction,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { snapshots, now } = inventory
  const names = new Set(snapshots.filter(({ time }) => isAbsurdTime(time, now)).map(({ name }) => name))
  if (names.size === 0) return
  const refs = snapshots.filter(({ name }) => names.has(name))
  const read = await Promise.all(refs.map(ref => limit(() => readIfPossible(storage, ref, signal))))
  const found = read.filter(snapshot => snapshot !== undefined)
  putBeforeChildren(found, now)
  for (const own of groupBy(found, ({ name }) => name).values()) orderBlind(own, now)
  snapshots.sort(compareSnapshots)
}

async function readIfPossible(storage: Storage, ref: SnapshotRef, signal: AbortSignal | undefined): Promise<StoredSnapshot | undefined> {
  try {
    return decodeSnapshot(await storage.get(ref.objectName, undefined, { signal }), ref)
  } catch (error) {
    if (!isAppError(error, 'corrupt', 'not-found', 'newer-format')) throw error
    return undefined
  }
}

/** Follows each version to its parent, once all of the parent's children are done. */
function putBeforeChildren(snapshots: readonly StoredSnapshot[], now: number): void {
  const byId = new Map(snapshots.map(snapshot => [snapshot.id, snapshot]))
  const children = new Map<string, number>()
  for (const { parent } of snapshots) if (parent !== null) children.set(parent, (children.get(parent) ?? 0) + 1)
  const done = snapshots.filter(({ id }) => !children.has(id))
  for (let child = done.pop(); child !== undefined; child = done.pop()) {
    const { ref, listed } = child
    // `listed` is the store's clock: a store that knows the time tells it even if the pushing machine does not
    if (isAbsurdTime(ref.time, now)) ref.effectiveTime = Math.min(ref.effectiveTime, listed)
    const parent = child.parent === null ? undefined : byId.get(child.parent)
    if (parent === undefined) continue
    if (isAbsurdTime(parent.ref.time, now)) parent.ref.effectiveTime = Math.min(parent.ref.effectiveTime, ref.effectiveTime - 1)
    const left = children.get(parent.id)! - 1
    children.set(parent.id, left)
    if (left === 0) done.push(parent)
  }
}

/**
 * Orders versions of one name whose creation times are absurd too, and whose children were forgotten, by their own
 * times. Without this they would be the newest for ever.
 */
function orderBlind(snapshots: readonly StoredSnapshot[], now: number): void {
  const absurd = snapshots.map(({ ref }) => ref).filter(({ time }) => isAbsurdTime(time, now))
  let later = Infinity
  for (const ref of absurd.sort((a, b) => b.time - a.time)) {
    if (ref.effectiveTime >= now) ref.effectiveTime = Math.min(ref.effectiveTime, later - 1)
    later = Math.min(later, ref.effectiveTime)
  }
}
