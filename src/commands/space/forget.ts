import { versionLabel } from '../../repository/format/snapshot.ts'
import { listTrash, refuseTrashed } from '../../repository/prune/empty-trash.ts'
import { forget, type ForgottenName } from '../../repository/prune/forget.ts'
import { SAFE_GRACE_PERIODS } from '../../repository/prune/grace-periods.ts'
import { parseName } from '../../repository/versions/names.ts'
import { sourcesOf } from '../../repository/versions/retention.ts'
import { plural, localTime } from '../../ui/format.ts'
import { renderTable } from '../../ui/table.ts'
import { AppError } from '../../util/errors.ts'
import { parsePolicy, type RetentionOptions } from '../shared/retention-options.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { describePruned, pruneToJson, refuseMounted } from '../shared/space-report.ts'
import { chooseStore } from '../shared/store.ts'

export interface ForgetOptions extends RetentionOptions {
  all?: boolean
  dryRun?: boolean
}

/** Forgets the versions of names that no rule keeps, and frees what is due. */
export async function forgetCommand(session: Session, names: string[], options: ForgetOptions): Promise<Outcome> {
  const policy = parsePolicy(options)
  const all = options.all === true
  if (!policy && !all)
    throw new AppError('usage', 'No rule says which versions to keep, so nothing was forgotten.', {
      hint: 'Add a rule such as --keep-last 5, --keep-daily 7 or --keep-tag best; --all forgets all versions of a name.',
    })
  const store = await chooseStore(session)
  refuseMounted(store)
  const dryRun = options.dryRun === true
  if (!dryRun) refuseTrashed(await listTrash(session.trash, { signal: session.signal }))
  const context = session.context(store.storage, 0)
  const requested = [...new Set(names.map(parseName))]
  const result = await forget(context, { names: requested, policy: policy ?? {}, all, waits: SAFE_GRACE_PERIODS, dryRun })
  const absent = result.names.filter(
    ({ decision, unreadable }) => decision.kept.length + decision.forgotten.length + unreadable.length === 0,
  )
  if (absent.length > 0 && absent.length === requested.length)
    throw new AppError(
      'not-found',
      `There is no ${absent.map(({ name }) => JSON.stringify(name)).join(', ')} in ${store.storage.location}.`,
      {
        hint: 'List all names: colab-escape log',
      },
    )
  const { reporter, columns } = session.console
  for (const { name } of absent) reporter.warn(`there is no ${JSON.stringify(name)}`)
  for (const { unreadable } of result.names)
    for (const { message } of unreadable) reporter.warn(`${message}${all ? '' : '; it was not changed'}`)
  if (result.failure) reporter.warn(`The versions are forgotten, but no space was freed: ${result.failure.message}`)
  for (const problem of result.pruned?.problems ?? []) reporter.warn(problem)
  const lines = result.names.flatMap(name => describeName(name, dryRun, columns))
  session.console.result([...lines, ...(result.pruned ? describePruned(result.pruned, dryRun) : [])], {
    command: 'forget',
    dryRun,
    names: result.names.map(nameToJson),
    pruned: result.pruned ? pruneToJson(result.pruned) : null,
  })
  if (result.failure) return 'partly'
  if (result.pruned && result.pruned.problems.length > 0) return 'damaged'
  return result.left > 0 ? 'partly' : 'done'
}

type ForgottenVersion = ForgottenName['decision']['forgotten'][number]

function describeName({ name, decision }: ForgottenName, dryRun: boolean, columns: number): string[] {
  const { kept, forgotten } = decision
  if (kept.length + forgotten.length === 0) return []
  const sources = sourcesOf([...kept.map(({ version }) => version), ...forgotten])
  const row = ({ id, ref, source }: ForgottenVersion, why: string): string[] => [
    `  ${versionLabel({ name, id })}`,
    localTime(ref.effectiveTime),
    ...(sources.length > 1 ? [source.path] : []),
    why,
  ]
  const rows = [
    ...kept.map(({ version, reasons }) => row(version, `kept: ${reasons.join(', ')}`)),
    ...forgotten.map(version => row(version, dryRun ? 'would be forgotten' : 'forgotten')),
  ]
  const [forgot, keeps] = dryRun ? ['Dry run: would forget', 'keep'] : ['Forgot', 'kept']
  const titles = ['  version', 'time', ...(sources.length > 1 ? ['source'] : []), '']
  return [
    `${forgot} ${plural(forgotten.length, 'version')} of ${name}, ${keeps} ${plural(kept.length, 'version')}`,
    ...(sources.length > 1 ? [`  ${name} was pushed from ${sources.length} sources; the rules hold for the versions of each`] : []),
    ...renderTable(
      titles.map(title => ({ title })),
      rows,
      columns,
    ),
  ]
}

function nameToJson({ name, decision, unreadable }: ForgottenName): object {
  return {
    name,
    kept: decision.kept.map(({ version, reasons }) => ({ ...versionToJson(version), reasons })),
    forgotten: decision.forgotten.map(versionToJson),
    unreadable: unreadable.length,
  }
}

function versionToJson({ id, ref, source }: ForgottenVersion): object {
  return { version: id, time: new Date(ref.effectiveTime).toISOString(), source: source.path }
}
