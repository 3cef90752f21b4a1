import { versionLabel } from '../../repository/format/snapshot.ts'
import { openForReading } from '../../repository/open/open.ts'
import { parseMetrics } from '../../repository/versions/metrics.ts'
import { noteVersion } from '../../repository/versions/notes.ts'
import { parseVersion } from '../../repository/versions/versions.ts'
import { describeMetrics } from '../../ui/format.ts'
import { AppError } from '../../util/errors.ts'
import { findVersion } from '../shared/find-version.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { chooseStore } from '../shared/store.ts'
import { checkSaveOptions } from './save-version.ts'

export interface NoteOptions {
  message?: string
  metric?: string[]
}

/** Changes the message and the metrics of a version. */
export async function noteCommand(session: Session, version: string, options: NoteOptions): Promise<Outcome> {
  const { message } = options
  const metrics = parseChanges(options.metric ?? [])
  if (message === undefined && Object.keys(metrics).length === 0)
    throw new AppError('usage', 'Nothing to note.', { hint: 'Add -m "text" or --metric acc=0.9. For a tag: colab-escape tag' })
  checkSaveOptions({ ...(message === undefined ? {} : { message }), level: 'balanced' })
  const spec = parseVersion(version)
  const { storage } = await chooseStore(session)
  const context = session.context(storage, 0)
  const repository = await openForReading(context)
  const snapshot = await findVersion(session, repository, spec)
  const noted = (await noteVersion(context, repository, snapshot, { message, metrics })).version
  const label = versionLabel(noted)
  session.console.result(
    [
      noted.message === undefined ? `${label} has no message.` : `${label} has the message: ${noted.message}`,
      ...(Object.keys(noted.metrics).length === 0 ? [] : [`  metrics: ${describeMetrics(noted.metrics)}`]),
    ],
    { command: 'note', name: noted.name, version: noted.id, message: noted.message ?? null, metrics: noted.metrics, tags: noted.tags },
  )
  return 'done'
}

/** `acc=0.9` sets a metric, `acc=` removes it. */
function parseChanges(texts: readonly string[]): Record<string, number | null> {
  const removed = texts.filter(text => text.endsWith('=')).map(text => text.slice(0, -1))
  const set = parseMetrics(
    texts.filter(text => !text.endsWith('=')),
    text => {
      throw new AppError('usage', `--metric ${text} has no number.`, { hint: 'Write it in digits, e.g. val_loss=0.31.' })
    },
  )
  const both = removed.find(name => Object.hasOwn(set, name))
  if (both !== undefined) throw new AppError('usage', `--metric ${both} is both set and removed.`, { hint: 'Give each metric one value.' })
  return { ...set, ...Object.fromEntries(removed.map(name => [name, null])) }
}
