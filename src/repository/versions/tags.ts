import { AppError } from '../../util/errors.ts'
import { groupBy } from '../../util/group-by.ts'
import { versionLabel, type StoredSnapshot } from '../format/snapshot.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import { endOfMoment, endOfRelative } from './moments.ts'
import { FULL_ID } from './choose-version.ts'
import { applyLabels, readLabels, readSnapshots } from './versions.ts'
import { nextLabelTime, textOf, writeLabel } from './write-label.ts'

const MAX_TAG = 1000
/**
 * May be a tag although it is also a duration: 125m is a common name for the size of a model. A tag is looked up
 * before a time.
 */
const MODEL_SIZE = /^\d+(?:m|s|ms)$/

/** Throws `usage` for a tag that can't be written after `@`, or would have another meaning there. */
export function checkTags(tags: readonly string[]): string[] {
  for (const tag of tags) {
    const problem = tagProblem(tag)
    if (problem !== undefined)
      throw new AppError('usage', `${JSON.stringify(tag.slice(0, 100))} can't be a tag: ${problem}.`, {
        hint: 'Choose a word such as best, v1.0 or epoch-20.',
      })
  }
  return [...new Set(tags)]
}

function tagProblem(tag: string): string | undefined {
  if (tag.trim() === '') return 'it is empty'
  if (tag.trim() !== tag) return 'it begins or ends with a space'
  if (tag.length > MAX_TAG) return `it has ${tag.length} characters, ${MAX_TAG} are allowed`
  // eslint-disable-next-line no-control-regex
  if (/[~:\u0000-\u001f\u007f-\u009f]/.test(tag)) return 'it contains ~ or : or a control character'
  if (!tag.isWellFormed()) return 'it is not valid Unicode'
  if (FULL_ID.test(tag)) return 'after an @ it means an id'
  if (endOfMoment(tag) !== undefined || (endOfRelative(tag, 0) !== undefined && !MODEL_SIZE.test(tag))) return 'after an @ it means a time'
  return undefined
}

export interface TagChange {
  add: readonly string[]
  remove: readonly string[]
  /** True if the added tags are removed from all other versions of the name. */
  move: boolean
}

export interface TagResult {
  /** All tags of the version now. */
  tags: string[]
  /** Added tags that other versions have too, with the newest of these versions, which is `name@tag`. */
  elsewhere: { tag: string; newest: StoredSnapshot; versions: number }[]
}

/** Changes the tags of a version. Writes nothing if nothing changes. */
export async function changeTags(
  context: RepositoryContext,
  repository: OpenRepository,
  snapshot: StoredSnapshot,
  { add, remove, move }: TagChange,
): Promise<TagResult> {
  const { view } = repository
  const refs = view.inventory.snapshots.filter(ref => ref.name === snapshot.name)
  const clash = refs.flatMap(ref => add.filter(tag => isStartOf(tag, ref.shortId)).map(tag => ({ tag, ref })))[0]
  if (clash)
    throw new AppError('usage', `${clash.tag} can't be a tag: it is the beginning of the id of ${snapshot.name}@${clash.ref.shortId}.`, {
      hint: 'Choose another word.',
    })
  const versions = await readSnapshots(repository, view, refs)
  const labels = await readLabels(repository.storage, view, error => view.problems.push(error), context.signal)
  const tags = applyLabels(versions, labels)
  const labelsOf = groupBy(labels, label => label.snapshot)
  const timeFor = ({ id }: StoredSnapshot): number => nextLabelTime(labelsOf.get(id)?.at(-1), view.inventory.asOf)
  const own = tags.get(snapshot.id) ?? snapshot.tags
  const absent = remove.find(tag => !own.includes(tag))
  if (absent !== undefined)
    throw new AppError('not-found', `${versionLabel(snapshot)} has no tag ${JSON.stringify(absent)}.`, {
      hint: own.length === 0 ? 'It has none.' : `It has: ${own.join(', ')}`,
    })
  if (move)
    for (const other of versions) {
      const moved = other.id === snapshot.id ? [] : add.filter(tag => tags.get(other.id)!.includes(tag))
      if (moved.length > 0) await writeLabel(context, { snapshot: other.id, add: [], remove: moved, time: timeFor(other) })
    }
  const added = add.filter(tag => !own.includes(tag))
  if (added.length + remove.length > 0) {
    const version = added.length === 0 ? undefined : await textOf(context, snapshot)
    await writeLabel(context, { snapshot: snapshot.id, add: added, remove: [...remove], time: timeFor(snapshot), version })
  }
  const elsewhere = (move ? [] : add).flatMap(tag => {
    const bearing = versions.filter(({ id }) => id === snapshot.id || tags.get(id)!.includes(tag))
    return bearing.length > 1 ? [{ tag, newest: bearing.at(-1)!, versions: bearing.length }] : []
  })
  return { tags: [...own.filter(tag => !remove.includes(tag)), ...added], elsewhere }
}

const isStartOf = (tag: string, shortId: string): boolean => /^[0-9a-f]{4,64}$/.test(tag) && shortId.startsWith(tag.slice(0, 16))
