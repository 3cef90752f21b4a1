import { throwIfAborted } from '../util/errors.ts'
import type { OpenRepository } from './context.ts'
import { type StoredSnapshot } from './snapshot.ts'
import { chunksOf } from './usage.ts'
import { storedShare } from './sizes.ts'
import { readSnapshots } from './versions.ts'

/** What forgetting a name's older versions would come to. */
export interface Proposal {
  name: string
  keepLast: number
  versions: number
  /** What nothing else needs; undefined where finding out would take too long. */
  bytes: number | undefined
}

const KEEP = 3
/** So many lists of files are read, at most: somebody waits for the answer. */
const MOST_VERSIONS = 200

/** What each name's versions before the newest three, or before the newest where there are no more, would free. What frees most comes first. */
export async function proposeForgetting(repository: OpenRepository): Promise<Proposal[]> {
  const { index, view } = repository
  const versions = await readSnapshots(repository, view, view.inventory.snapshots)
  const names = [...new Set(versions.map(({ name }) => name))]
  const proposals = names.flatMap(name => {
    const own = versions.filter(version => version.name === name)
    const keepLast = own.length > KEEP ? KEEP : 1
    const older = own.slice(0, -keepLast)
    return older.length === 0 ? [] : [{ name, keepLast, versions: older.length, bytes: undefined as number | undefined, older }]
  })
  if (versions.length <= MOST_VERSIONS) {
    const needed = new Uint8Array(index.size)
    const goes = new Set(proposals.flatMap(({ older }) => older))
    await eachEntry(
      versions.filter(version => !goes.has(version)),
      entry => (needed[entry] = 1),
    )
    // what two names share is freed only when both give it up: it counts for the first of them
    for (const proposal of proposals) {
      let bytes = 0
      await eachEntry(proposal.older, entry => {
        if (needed[entry] === 0) bytes += storedShare(index, entry)
        needed[entry] = 1
      })
      proposal.bytes = Math.round(bytes)
    }
  }
  return proposals.map(({ older: _, ...proposal }) => proposal).sort((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0))

  async function eachEntry(snapshots: readonly StoredSnapshot[], use: (entry: number) => void): Promise<void> {
    for (const snapshot of snapshots) {
      throwIfAborted(repository.signal)
      for await (const { entry } of chunksOf(repository, snapshot)) use(entry)
    }
  }
}
