import { throwIfAborted } from '../../util/errors.ts'
import { groupBy } from '../../util/group-by.ts'
import { type StoredSnapshot } from '../format/snapshot.ts'
import { storedShare } from '../index/stored-sizes.ts'
import type { OpenRepository } from '../open/open.ts'
import { chunksOf } from '../usage/usage.ts'
import { decideRetention } from '../versions/retention.ts'
import { readSnapshots } from '../versions/versions.ts'
import { CopyChooser } from './plan/choose-copies.ts'
import { LATE_ONLY } from './plan/reachable-chunks.ts'
import { findStandaloneChunks } from './plan/standalone-chunks.ts'

/** A proposal to forget the older versions of a name. */
export interface Proposal {
  name: string
  keepLast: number
  versions: number
  /** Bytes that would be freed; undefined if it would take too long to find out. */
  bytes: number | undefined
}

const KEEP = 3
/** Manifests that are read, at most: a person waits for the answer. */
const MOST_VERSIONS = 200

/**
 * Proposes for each name to keep its newest three versions (of each source), or only the newest if that gives up
 * none. Proposals that free more bytes come first.
 */
export async function proposeForgetting(repository: OpenRepository): Promise<Proposal[]> {
  const { index, view } = repository
  const versions = await readSnapshots(repository, view, view.inventory.snapshots)
  const proposals = [...groupBy(versions, ({ name }) => name)].flatMap(([name, own]) => {
    const olderThan = (last: number): StoredSnapshot[] => decideRetention(own, { last }, { now: 0, keepNewest: true }).forgotten
    const keepLast = olderThan(KEEP).length > 0 ? KEEP : 1
    const older = olderThan(keepLast)
    return older.length === 0 ? [] : [{ name, keepLast, versions: older.length, bytes: undefined as number | undefined, older }]
  })
  if (versions.length <= MOST_VERSIONS) {
    const goes = new Set(proposals.flatMap(({ older }) => older))
    const kept = versions.filter(version => !goes.has(version))
    const { needed, gains } = await keptBy(repository, kept)
    // a chunk that two names share is freed only if both versions are forgotten; it counts for the first of them
    for (const proposal of proposals) {
      let bytes = 0
      await eachEntry(repository, proposal.older, entry => {
        if (needed[entry] === 0) bytes += gains.get(entry) ?? storedShare(index, entry)
        needed[entry] = 1
      })
      proposal.bytes = Math.round(bytes)
    }
  }
  return proposals.map(({ older: _, ...proposal }) => proposal).sort((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0))
}

/**
 * The copies that are needed if there are only these versions, as a flag by entry number, and the bytes gained by bases
 * that a prune would then delete.
 */
async function keptBy(
  repository: OpenRepository,
  versions: readonly StoredSnapshot[],
): Promise<{ needed: Uint8Array; gains: ReadonlyMap<number, number> }> {
  const { index } = repository
  const flags = new Uint8Array(index.size)
  const needed = new Uint8Array(index.size)
  await eachEntry(repository, versions, (entry, isContent) => {
    needed[entry] = 1
    if (isContent) flags[index.find(index.id(entry))] = LATE_ONLY
  })
  const choice = new CopyChooser(index, { flags }, { stateOf: () => 'usable', isSpared: () => false })
  const { gains } = findStandaloneChunks(index, choice.select())
  for (const entry of gains.keys()) needed[entry] = 0
  return { needed, gains }
}

async function eachEntry(
  repository: OpenRepository,
  snapshots: readonly StoredSnapshot[],
  use: (entry: number, isContent: boolean) => void,
): Promise<void> {
  for (const snapshot of snapshots) {
    throwIfAborted(repository.signal)
    for await (const { entry, isContent } of chunksOf(repository, snapshot)) use(entry, isContent)
  }
}
