/*
 * Heals what can be healed without inventing anything: objects in the trash or under changed names, indexes, and
 * damaged packs, which it takes out of use. It deletes versions only if a person gives them up.
 */

import type { Trash } from '../../storage/trash.ts'
import { AppError, throwIfAborted } from '../../util/errors.ts'
import { check, type CheckResult } from '../check/check.ts'
import { openForReading, type RepositoryContext } from '../open/open.ts'
import { writeTombs } from '../prune/tombs.ts'
import { giveUp } from './give-up.ts'
import { repairIndexes } from './repair-indexes.ts'
import { hasGoodConfig, repairConfig, WithConfig } from './repair-config.ts'
import { putBackTrashed, renameMangled, type Renaming } from './repair-names.ts'
import { verifyPacks } from './verify-packs.ts'

export interface RepairRequest {
  dryRun: boolean
  /** True to delete what can't be healed: versions that lack data, and objects that can't be read. */
  giveUp: boolean
  /** The store's trash, if it has one. */
  trash?: Trash | undefined
}

export interface RepairResult {
  /** Packs that were verified. */
  packs: number
  /** True if config.json was missing or damaged. */
  wroteConfig: boolean
  /** Names of objects that were put back from the trash. */
  putBack: string[]
  renamed: Renaming[]
  /** Packs that no readable index named, and indexes that were damaged or said other things than their packs. */
  indexedPacks: number
  replacedIndexes: number
  /** Ids of damaged packs that were put into a tomb: the next push stores again what it needs of them. */
  tombedPacks: string[]
  /** Names of objects that were given up. */
  givenUp: string[]
  /** What is still damaged. */
  left: Pick<CheckResult, 'problems' | 'affected' | 'incomplete' | 'outOfUse'>
}

/**
 * Repairs a repository. Every step stores before it deletes, so it can be interrupted at any moment, and run beside a
 * push. With `dryRun` it only says what it would do; steps that build on one another are then judged one by one.
 */
export async function repair(context: RepositoryContext, { dryRun, trash, ...request }: RepairRequest): Promise<RepairResult> {
  const { storage, signal } = context
  // before anything else, so that the repository of a later program stays as it is
  await hasGoodConfig(storage, signal)
  const putBack = trash ? await putBackTrashed(context, trash, dryRun) : []
  const renamed = await renameMangled(storage, dryRun, signal)
  const wroteConfig = await repairConfig(storage, renamed.length > 0, dryRun, signal)
  throwIfAborted(signal)
  // the damage is in the result, and need not be warned of too
  const quiet = {
    ...context,
    storage: wroteConfig && dryRun ? new WithConfig(storage) : storage,
    reporter: { ...context.reporter, warn: () => undefined },
  }
  const repository = await openForReading(quiet)
  const verified = await verifyPacks(context, repository)
  const indexes = await repairIndexes(context, repository, verified, dryRun)
  const tombedPacks = [...verified.damaged].filter(id => !repository.view.tombedPacks.has(id))
  if (!dryRun) await writeTombs(context, 'packs', tombedPacks)
  const readData = verified.damaged
  let left = await check(quiet, { readData })
  if (request.giveUp && left.failures > 0) throw cannotJudge(left.problems)
  const { affected } = left
  const givenUp = request.giveUp ? await giveUp(context, repository, { affected, renamed, putBack, dryRun }) : []
  if (givenUp.length > 0 && !dryRun) left = await check(quiet, { readData })
  return {
    packs: repository.view.inventory.packs.size,
    wroteConfig,
    putBack,
    renamed,
    ...indexes,
    tombedPacks,
    givenUp,
    left: { problems: left.problems, affected: left.affected, incomplete: left.incomplete, outOfUse: left.outOfUse },
  }
}

function cannotJudge(problems: readonly string[]): AppError {
  return new AppError('io', 'Some objects could not be read because of the disk, so nothing was given up: they may be whole.', {
    hint: 'Check the disk and its cable, or copy the repository to another disk. Then run it again.',
    list: problems.slice(0, 10),
  })
}
