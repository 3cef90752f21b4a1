import { AppError, isAppError } from '../../util/errors.ts'
import { asSentence } from '../../util/words.ts'
import type { IndexedPack } from '../format/index-object.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import { type CopyResult, copyChosen } from './copy.ts'
import type { MarkOptions } from './plan/choose-copies.ts'
import type { MarkPlan } from './plan/mark-plan.ts'

export interface MarksAfterCopying {
  /** Numbers of the packs that may be marked now. */
  packs: number[]
  copied: readonly IndexedPack[]
  /** Bytes of the copies. */
  bytes: number
  /** Messages about packs that could not be copied from. */
  problems: string[]
  /** Set if the store is full and nothing could be copied. */
  outOfSpace?: AppError | undefined
}

/**
 * Makes the copies of a plan. If a pack can't be copied from, it stays, and `planAgain` makes a plan in which
 * everything that only this pack needs stays too.
 */
export async function copyForMarks(
  context: RepositoryContext,
  repository: OpenRepository,
  plan: MarkPlan,
  planAgain: (changes: Partial<MarkOptions>) => Promise<MarkPlan>,
): Promise<MarksAfterCopying> {
  const { index } = repository
  let copies: CopyResult
  try {
    copies = await copyChosen(context, repository, plan, [...plan.rewrite, ...plan.rescue])
  } catch (error) {
    if (!isAppError(error, 'quota')) throw error
    // a full store must not stay full because copies do not fit: mark packs that need no copies
    return { packs: (await planAgain({ mayCopy: false })).dead, copied: [], bytes: 0, problems: [], outOfSpace: explain(error) }
  }
  const { failed } = copies
  const problems = [...failed].map(([pack, why]) => `Pack ${index.packs[pack]!.id.slice(0, 12)} was left as it is: ${why}`)
  const marks = [...plan.dead, ...plan.rewrite].filter(pack => !failed.has(pack))
  const ready = { copied: copies.packs, bytes: copies.bytes, problems }
  if (failed.size === 0) return { ...ready, packs: marks }
  const again = await planAgain({ isUnreadable: pack => failed.has(pack) })
  const still = new Set([...again.dead, ...again.rewrite])
  // what is chosen only now was not copied
  again.chosen.forEach((isChosen, entry) => {
    if (isChosen !== 0 && plan.chosen[entry] === 0) still.delete(index.packOf(entry))
  })
  return { ...ready, packs: marks.filter(pack => still.has(pack)) }
}

function explain(error: AppError): AppError {
  const what = `${asSentence(error.message)} The chunks that versions need could not be copied from packs with unneeded data. These packs stay. All other packs that can be freed were marked.`
  return new AppError('quota', what, { hint: 'Free some space, or prune again in an hour, which deletes the marked packs.', cause: error })
}
