import type { Snapshot } from '../../../src/repository/format/snapshot.ts'

/** The content of a snapshot, to be changed and encoded again. Nothing in it is checked. */
export function readSnapshot(bytes: Uint8Array): Snapshot {
  const { root, ...rest } = JSON.parse(Buffer.from(bytes).toString('utf8')) as Snapshot & { root?: { mode: string; mtime: string } }
  if (root === undefined) return rest
  return { ...rest, root: { mode: parseInt(root.mode, 8), mtime: BigInt(root.mtime) } }
}
