import { isAppError } from '../../util/errors.ts'
import { toHex } from '../../util/hash.ts'
import { encodeTomb, type ForgottenVersion, type LabelChanges } from '../format/label-and-tomb.ts'
import { compareSnapshots, parseSnapshotObjectName, tombName, type SnapshotRef } from '../format/object-names.ts'
import { NONCE_BYTES } from '../format/pack.ts'
import { decodeSnapshot, nameSnapshot, type StoredSnapshot } from '../format/snapshot.ts'
import type { RepositoryContext } from '../open/open.ts'
import { PARALLEL_READS, type RepositoryView } from '../open/view.ts'
import { applyLabels } from '../versions/versions.ts'

/** A tomb takes texts of about so many bytes. One that is longer by itself has a tomb of its own. */
const TOMB_BYTES = 1024 * 1024
/** A longer text is not kept: with what JSON escapes, it would not fit into a tomb. */
const MAX_TEXT_BYTES = 6 * 1024 * 1024

/** A version that was forgotten, as its labels had it, and that nobody has brought back. */
export interface FoundVersion {
  snapshot: StoredSnapshot
  /** The bytes of its object. */
  bytes: Uint8Array
  label: LabelChanges
  /** When it was forgotten, and until when its data is surely there, unless somebody prunes without grace; ms. */
  time: number
  until: number
}

/**
 * Writes down which versions a forget is about to delete, in tombs without packs. Each is deleted by rule 10 as any
 * other one, which is later than the first moment at which data of the versions may go. `asOf`: the time of the forget.
 */
export async function recordForgotten(
  { storage, surroundings, signal }: RepositoryContext,
  doomed: readonly { ref: SnapshotRef; label: LabelChanges }[],
  asOf: number,
): Promise<void> {
  const write = async (versions: ForgottenVersion[]): Promise<void> => {
    const tomb = encodeTomb({ kind: 'packs', packs: [], forgotten: { time: asOf, versions } }, toHex(surroundings.random(NONCE_BYTES)))
    await storage.put(tombName(tomb.id), tomb.bytes, { signal })
  }
  let versions: ForgottenVersion[] = []
  let size = 0
  const read = async ({ ref, label }: (typeof doomed)[number]): Promise<{ bytes: Uint8Array | undefined; label: LabelChanges }> => {
    const bytes = await storage.get(ref.objectName, undefined, { signal }).catch((error: unknown) => {
      if (!isAppError(error, 'not-found')) throw error
      return undefined
    })
    return { bytes, label }
  }
  const texts = async function* (): AsyncGenerator<Awaited<ReturnType<typeof read>>> {
    // no more texts are in memory than are read at a time
    for (let at = 0; at < doomed.length; at += PARALLEL_READS) yield* await Promise.all(doomed.slice(at, at + PARALLEL_READS).map(read))
  }
  for await (const { bytes, label } of texts()) {
    if (bytes === undefined || bytes.length > MAX_TEXT_BYTES) continue
    if (versions.length > 0 && size + bytes.length > TOMB_BYTES) {
      await write(versions)
      versions = []
      size = 0
    }
    versions.push({ version: new TextDecoder().decode(bytes), label })
    size += bytes.length
  }
  if (versions.length > 0) await write(versions)
}

/** What the labels of one snapshot change together. `labels` are in the order in which they apply. */
export function mergeChanges(labels: readonly LabelChanges[]): LabelChanges {
  const add = new Set<string>()
  const remove = new Set<string>()
  let message: string | undefined
  let metrics: LabelChanges['metrics']
  for (const label of labels) {
    for (const tag of label.remove) {
      add.delete(tag)
      remove.add(tag)
    }
    for (const tag of label.add) add.add(tag)
    message = label.message ?? message
    if (label.metrics) metrics = { ...metrics, ...label.metrics }
  }
  return {
    add: [...add],
    remove: [...remove],
    ...(message === undefined ? {} : { message }),
    ...(metrics === undefined ? {} : { metrics }),
  }
}

/** The versions that tombs tell of, the oldest first. Those that are listed again are left out. */
export function forgottenVersions({ tombs, inventory }: RepositoryView, graceMs: number): FoundVersion[] {
  const found = new Map<string, FoundVersion>()
  for (const [id, tomb] of tombs) {
    if (tomb.kind !== 'packs' || !tomb.forgotten) continue
    const { time, versions } = tomb.forgotten
    for (const { version, label } of versions) {
      const known = versionFromText(version, label, inventory.asOf)
      if (!known) continue
      const { id: of } = known.snapshot
      // it may have been forgotten more than once
      if ((found.get(of)?.time ?? -1) < time) found.set(of, { ...known, time, until: inventory.tombs.get(id)!.created + graceMs })
    }
  }
  const there = new Set(inventory.snapshots.map(({ shortId }) => shortId))
  return [...found.values()]
    .filter(({ snapshot }) => !there.has(snapshot.ref.shortId))
    .sort((a, b) => compareSnapshots(a.snapshot.ref, b.snapshot.ref))
}

/** A version that is not in the store, by the text of its object. Undefined if this program does not understand it. */
export function versionFromText(
  text: string,
  label: LabelChanges,
  asOf: number,
): Pick<FoundVersion, 'snapshot' | 'bytes' | 'label'> | undefined {
  const bytes = Buffer.from(text)
  const objectName = nameSnapshot(bytes)
  // brought back, its object is created now
  const ref = objectName === undefined ? undefined : parseSnapshotObjectName({ name: objectName, size: bytes.length, created: asOf })
  if (ref === undefined) return undefined
  const snapshot = decodeSnapshot(bytes, ref)
  const tags = applyLabels([snapshot], [{ ...label, snapshot: snapshot.id }]).get(snapshot.id)!
  return { snapshot: { ...snapshot, tags }, bytes, label }
}
