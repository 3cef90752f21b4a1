/*
 * Checks that all objects are there and, if asked, that they read back. It names the affected files and versions, and
 * repairs nothing.
 */

import { describeMisplaced } from '../format/object-names.ts'
import { openForReading, type RepositoryContext } from '../open/open.ts'
import { Blame } from './blame.ts'
import { checkPacks } from './packs.ts'
import { checkVersions, type AffectedFile } from './versions.ts'

export interface CheckRequest {
  /**
   * Share of the packs, 0 to 1, that are read whole; or the ids of those that are. With 0, only the structure is
   * checked.
   */
  readData: number | ReadonlySet<string>
  /**
   * True if missing objects may still arrive, as in a mounted Drive. A version that lacks chunks is then incomplete,
   * not damaged.
   */
  arriving?: boolean
}

export interface CheckResult {
  packs: number
  packsRead: number
  snapshots: number
  /** Number of snapshots that are not complete and not damaged: they are late or still arriving. */
  incomplete: number
  files: number
  /** Damaged objects, in words. */
  problems: string[]
  /** Damaged packs in tombs that no version needs any more. They are no damage: a prune deletes them. */
  outOfUse: number
  affected: AffectedFile[]
  /** Objects that could not be read because of the disk: they may be whole. */
  failures: number
}

/**
 * Checks that everything that versions need is there and, for a share of the packs, that it can be read back bit for
 * bit. Changes nothing.
 */
export async function check(context: RepositoryContext, request: CheckRequest): Promise<CheckResult> {
  const repository = await openForReading(context)
  const { inventory, problems, missingPacks } = repository.view
  const opened = problems.map(({ message }) => message)
  const unknown = inventory.mangled.map(
    ({ name }) => `${name} is not the name of an object of a repository: another program renamed or copied it`,
  )
  const misplaced = inventory.misplaced.map(({ name }) => `${describeMisplaced(name)}: move the file itself into the repository's folder`)
  const blame = new Blame(repository.index)
  const packs = await checkPacks(context, repository, blame, request.readData)
  const versions = await checkVersions(repository, blame, request.arriving === true)
  const isOutOfUse = (id: string): boolean => versions.affected.length === 0 && repository.view.tombedPacks.has(id)
  const inUse = [...packs.problems].flatMap(([id, problem]) => (isOutOfUse(id) ? [] : [problem]))
  // an index is uploaded beside its packs, so after an interrupted push it may name packs that no version needs
  const missing = versions.affected.length === 0 ? [] : missingPacks.map(({ id }) => `Pack ${id.slice(0, 12)} is missing`)
  return {
    packs: inventory.packs.size,
    packsRead: packs.read,
    snapshots: versions.snapshots,
    incomplete: versions.incomplete,
    files: versions.files,
    problems: [...opened, ...unknown, ...misplaced, ...inUse, ...versions.problems, ...missing],
    outOfUse: packs.problems.size - inUse.length,
    affected: versions.affected,
    failures: packs.failures + versions.failures,
  }
}
