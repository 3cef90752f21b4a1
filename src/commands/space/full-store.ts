import { openForReading } from '../../repository/open/open.ts'
import { findTrashedObjects } from '../../repository/prune/empty-trash.ts'
import { proposeForgetting, type Proposal } from '../../repository/prune/proposals.ts'
import { countTombedPacks } from '../../repository/prune/tombed-packs.ts'
import { plural } from '../../ui/format.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { shellQuoted } from '../../util/paths.ts'
import type { Session } from '../shared/session.ts'
import { markedText } from '../shared/space-report.ts'
import type { Store } from '../shared/store.ts'
import { describeTrash } from '../shared/trash-report.ts'

const MOST_PROPOSALS = 5

/**
 * Adds to an error of a full store proposals for what to delete. If they can't be determined, the error stays
 * unchanged.
 */
export async function withProposals(session: Session, store: Store, error: unknown): Promise<unknown> {
  if (!isAppError(error, 'quota')) return error
  try {
    const list = await proposals(session, store)
    if (list.length === 0) return error
    return new AppError('quota', error.message, { ...(error.hint === undefined ? {} : { hint: error.hint }), list, cause: error })
  } catch (trouble) {
    if (!isAppError(trouble)) throw trouble
    return error
  }
}

async function proposals(session: Session, store: Store): Promise<string[]> {
  const repository = await openForReading(session.context(store.storage, 0))
  const marked = countTombedPacks(repository.view)
  const trashed = await findTrashedObjects(session.trash, { signal: session.signal })
  const older = (await proposeForgetting(repository)).filter(({ bytes }) => bytes !== 0)
  return [
    ...(marked.packs === 0 ? [] : [markedText(marked)]),
    ...(trashed.objects === 0 ? [] : [describeTrash(trashed)]),
    ...older.slice(0, MOST_PROPOSALS).map(describe),
    ...(older.length === 0 ? [] : ['`colab-escape prune` frees the space of forgotten versions an hour later.']),
  ]
}

function describe({ name, keepLast, versions, bytes }: Proposal): string {
  const size = bytes === undefined ? '' : ` (about ${formatBytes(bytes)})`
  return `\`colab-escape forget ${shellQuoted(name)} --keep-last ${keepLast}\` forgets ${plural(versions, 'older version')}${size}.`
}
