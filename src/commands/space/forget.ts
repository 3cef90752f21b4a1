import { versionLabel } from '../../repository/format/snapshot.ts'
import { listTrash, refuseTrashed } from '../../repository/prune/empty-trash.ts'
import { forget, type ForgetRequest, type ForgottenName } from '../../repository/prune/forget.ts'
import { SAFE_GRACE_PERIODS } from '../../repository/prune/grace-periods.ts'
import { parseName } from '../../repository/versions/names.ts'
import { dropNotedVersion } from '../../repository/versions/noted-version.ts'
import { sourcesOf } from '../../repository/versions/retention.ts'
import { parseVersion } from '../../repository/versions/versions.ts'
import { plural, localTime } from '../../ui/format.ts'
import { renderTable } from '../../ui/table.ts'
import { AppError } from '../../util/errors.ts'
import { shellQuoted } from '../../util/paths.ts'
import { canAsk, confirm, unlessDeclined } from '../shared/prompt.ts'
import { parsePolicy, type RetentionOptions } from '../shared/retention-options.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { describePruned, pruneToJson, refuseMounted } from '../shared/space-report.ts'
import { chooseStore } from '../shared/store.ts'

export interface ForgetOptions extends RetentionOptions {
  all?: boolean
  yes?: boolean
  dryRun?: boolean
}

/** Forgets the versions of names that no rule keeps, or those that are named, and frees what is due. */
export function forgetCommand(session: Session, given: string[], options: ForgetOptions): Promise<Outcome> {
  return unlessDeclined(session, () => forgetGiven(session, given, options))
}

async function forgetGiven(session: Session, given: string[], options: ForgetOptions): Promise<Outcome> {
  const policy = parsePolicy(options)
  const all = options.all === true
  const asked = parseGiven(given, policy !== undefined || all)
  const store = await chooseStore(session)
  refuseMounted(store)
  const dryRun = options.dryRun === true
  if (!dryRun) refuseTrashed(await listTrash(session.trash, { signal: session.signal }))
  const context = session.context(store.storage, 0)
  const asks = all && canAsk(session, options.yes === true)
  const result = await forget(context, {
    ...asked,
    policy: policy ?? {},
    all,
    waits: SAFE_GRACE_PERIODS,
    dryRun,
    confirm: asks ? names => confirmAll(session, names) : undefined,
  })
  if (!dryRun)
    for (const { name, decision } of result.names)
      await dropNotedVersion(session.notedVersionFile(store.storage.location, name), new Set(decision.forgotten.map(({ id }) => id)))
  const absent = result.names.filter(
    ({ decision, unreadable }) => decision.kept.length + decision.forgotten.length + unreadable.length === 0,
  )
  if (absent.length > 0 && absent.length === asked.names.length)
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
  const lines = result.names.flatMap(name => describeName(name, asked.versions !== undefined, dryRun, columns))
  session.console.result(
    [...lines, ...(dryRun ? [] : undoLines(result.names)), ...(result.pruned ? describePruned(result.pruned, dryRun) : [])],
    {
      command: 'forget',
      dryRun,
      names: result.names.map(nameToJson),
      pruned: result.pruned ? pruneToJson(result.pruned) : null,
    },
  )
  if (result.failure) return 'partly'
  if (result.pruned && result.pruned.problems.length > 0) return 'damaged'
  return result.left > 0 ? 'partly' : 'done'
}

/** Names that rules decide about, or versions. */
type Given = Required<Pick<ForgetRequest, 'names'>> & Pick<ForgetRequest, 'versions'>

/** Either all that is given are names, and there are rules, or all are versions, and there are none. */
function parseGiven(given: readonly string[], hasRules: boolean): Given {
  const versions = given.filter(text => /[@~]/.test(text))
  if (versions.length === 0 && !hasRules)
    throw new AppError('usage', 'No rule says which versions to keep, so nothing was forgotten.', {
      hint: `Add a rule such as --keep-last 5, --keep-daily 7 or --keep-tag best; --all forgets all versions of a name. For one version give its id: colab-escape forget ${given[0]!}@8636`,
    })
  if (versions.length === 0) return { names: [...new Set(given.map(parseName))] }
  if (versions.length < given.length)
    throw new AppError(
      'usage',
      `${versions[0]!} is one version, and ${given.find(text => !versions.includes(text))!} is a name. Nothing was forgotten.`,
      {
        hint: 'Forget versions with one command, and the versions of a name that rules do not keep with another.',
      },
    )
  if (hasRules)
    throw new AppError('usage', `${versions[0]!} is one version: rules and --all don't go with it. Nothing was forgotten.`, {
      hint: `Leave the rules out, or give the name alone: ${parseVersion(versions[0]!).name}`,
    })
  const specs = versions.map(parseVersion)
  return { versions: specs, names: [...new Set(specs.map(({ name }) => name))] }
}

async function confirmAll(session: Session, names: readonly ForgottenName[]): Promise<void> {
  const what = names.flatMap(({ name, decision: { kept, forgotten }, unreadable }) => {
    const count = forgotten.length + unreadable.length
    return count === 0 ? [] : [`${kept.length === 0 && count > 1 ? 'all ' : ''}${plural(count, 'version')} of ${name}`]
  })
  if (what.length > 0) await confirm(session, `Delete ${what.join(' and ')}?`)
}

/** What brings back what was forgotten. */
function undoLines(names: readonly ForgottenName[]): string[] {
  const undone = names.filter(({ decision }) => decision.forgotten.length > 0).map(({ name }) => shellQuoted(name))
  return undone.length === 0 ? [] : [`  Undo: colab-escape unforget ${undone.join(' ')}`]
}

type ForgottenVersion = ForgottenName['decision']['forgotten'][number]

function describeName({ name, decision, unreadable }: ForgottenName, named: boolean, dryRun: boolean, columns: number): string[] {
  const { kept, forgotten } = decision
  if (kept.length + forgotten.length === 0) return []
  // whoever names versions knows that the others stay
  const staying = named ? [] : kept
  const sources = sourcesOf([...staying.map(({ version }) => version), ...forgotten])
  const row = ({ id, ref, source }: ForgottenVersion, why: string): string[] => [
    `  ${versionLabel({ name, id })}`,
    localTime(ref.effectiveTime),
    ...(sources.length > 1 ? [source.path] : []),
    why,
  ]
  const rows = [
    ...staying.map(({ version, reasons }) => row(version, `kept: ${reasons.join(', ')}`)),
    ...forgotten.map(version => row(version, dryRun ? 'will be removed' : 'removed')),
  ]
  const isGone = kept.length + unreadable.length === 0
  const removed = `${dryRun ? 'Dry run: would remove' : 'Removed'} ${isGone && forgotten.length > 1 ? 'all ' : ''}${plural(forgotten.length, 'version')} of ${name}`
  const stay = isGone ? (dryRun ? '' : `: the name is gone`) : `, ${dryRun ? 'keep' : 'kept'} ${plural(kept.length, 'version')}`
  const titles = ['  version', 'time', ...(sources.length > 1 ? ['source'] : []), '']
  return [
    `${removed}${stay}`,
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
