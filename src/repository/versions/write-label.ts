import { toHex } from '../../util/hash.ts'
import { encodeLabel, MAX_LABEL_TIME, type Label } from '../format/label-and-tomb.ts'
import { labelName } from '../format/object-names.ts'
import { NONCE_BYTES } from '../format/pack.ts'
import type { StoredSnapshot } from '../format/snapshot.ts'
import type { RepositoryContext } from '../open/open.ts'
import type { DatedLabel } from './versions.ts'

/** A label repeats the text of its snapshot up to this size. */
const MAX_TEXT_BYTES = 1024 * 1024

/**
 * The time of the next label of a snapshot: the store's clock, but later than the last label that the snapshot has,
 * because a clock may have been ahead.
 */
export function nextLabelTime(last: DatedLabel | undefined, asOf: number): number {
  return Math.min(MAX_LABEL_TIME, Math.max(asOf, (last?.at ?? 0) + 1))
}

/** The text of a snapshot's object. Undefined if it would make a label too large. */
export async function textOf({ storage, signal }: RepositoryContext, { ref }: StoredSnapshot): Promise<string | undefined> {
  const bytes = await storage.get(ref.objectName, undefined, { signal })
  return bytes.length > MAX_TEXT_BYTES ? undefined : new TextDecoder().decode(bytes)
}

export async function writeLabel({ storage, surroundings, signal }: RepositoryContext, content: Label): Promise<void> {
  const label = encodeLabel(content, toHex(surroundings.random(NONCE_BYTES)))
  await storage.put(labelName(label.id), label.bytes, { signal })
}
