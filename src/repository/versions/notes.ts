import type { LabelChanges } from '../format/label-and-tomb.ts'
import type { StoredSnapshot } from '../format/snapshot.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import { applyLabels, readLabels } from './versions.ts'
import { nextLabelTime, textOf, writeLabel } from './write-label.ts'

/** What to change of a version after its push. */
export interface Notes {
  /** An empty message removes the one that is there. */
  message?: string | undefined
  /** null removes a metric. */
  metrics?: Record<string, number | null> | undefined
  /** Tags to add. */
  tags?: readonly string[] | undefined
}

export interface NotedVersion {
  /** With its tags, message and metrics as they are now. */
  version: StoredSnapshot
  /** What is new. Undefined if the version had it all before. */
  changed: Notes | undefined
}

/**
 * Gives a version tags, a message or metrics, with one label. Writes nothing if it has them. The version is returned as
 * its labels have it.
 */
export async function noteVersion(
  context: RepositoryContext,
  { storage, view, signal }: Pick<OpenRepository, 'storage' | 'view' | 'signal'>,
  pushed: StoredSnapshot,
  { message, metrics = {}, tags = [] }: Notes,
): Promise<NotedVersion> {
  if (message === undefined && Object.keys(metrics).length + tags.length === 0) return { version: pushed, changed: undefined }
  const labels = await readLabels(storage, view, error => view.problems.push(error), signal)
  const version = { ...pushed }
  version.tags = applyLabels([version], labels).get(version.id)!
  const add = tags.filter(tag => !version.tags.includes(tag))
  const other = Object.entries(metrics).filter(([name, value]) => (version.metrics[name] ?? null) !== value)
  const isNew = message !== undefined && message !== (version.message ?? '')
  if (add.length + other.length === 0 && !isNew) return { version, changed: undefined }
  const changes: LabelChanges = {
    add,
    remove: [],
    ...(isNew ? { message } : {}),
    ...(other.length === 0 ? {} : { metrics: Object.fromEntries(other) }),
  }
  const label = {
    ...changes,
    snapshot: version.id,
    time: nextLabelTime(labels.filter(({ snapshot }) => snapshot === version.id).at(-1), view.inventory.asOf),
    version: add.length === 0 ? undefined : await textOf(context, version),
  }
  await writeLabel(context, label)
  version.tags = applyLabels([version], [label]).get(version.id)!
  return { version, changed: { tags: add, message: changes.message, metrics: changes.metrics } }
}
