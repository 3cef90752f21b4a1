/*
 * The command doctor: looks at the machine, the login and the store, and says what to do. It repairs nothing.
 */

import { cwd, stdout, version } from 'node:process'
import { plural } from '../../ui/format.ts'
import { wrapWords } from '../../ui/wrap.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { runChecks, type DoctorCheck, type CheckResult } from './checks.ts'
import { checkCache, checkConfigFolder, checkNode, checkProxy, checkTerminal, checkZstd } from './machine.ts'
import { storeChecks } from './store.ts'

/** Time limit of one check (ms). */
const LIMIT_MS = 10_000

/** Looks for problems of this machine, the login and the store, and says how to fix them. */
export async function doctorCommand(session: Session): Promise<Outcome> {
  session.console.reporter.progress({ phase: 'checking' })
  const results = await runChecks([...machineChecks(session), ...storeChecks(session, cwd())], LIMIT_MS, session.signal)
  const count = (state: CheckResult['state']): number => results.filter(each => each.state === state).length
  const [problems, attentions] = [count('problem'), count('attention')]
  const end = `${plural(problems, 'problem')}, ${plural(attentions, 'needs', 'need')} attention.`
  session.console.print([...describeResults(results, session.console.columns), problems + attentions === 0 ? 'No problems found.' : end], {
    command: 'doctor',
    problems,
    attentions,
    checks: results.map(({ name, state, message, hint }) => ({ name, state, message, hint: hint ?? null })),
  })
  return problems > 0 ? 'failed' : 'done'
}

function machineChecks({ settings }: Session): DoctorCheck[] {
  const size = stdout.isTTY ? stdout.getWindowSize() : undefined
  return [
    { name: 'node', run: signal => checkNode(version, settings.programEnv, signal) },
    { name: 'zstd', run: () => checkZstd(settings.zstd) },
    { name: 'terminal', run: () => checkTerminal(size) },
    { name: 'cache', run: () => checkCache(settings.cacheFolder) },
    { name: 'settings', run: () => checkConfigFolder(settings.configFolder) },
    { name: 'proxy', run: () => checkProxy(settings.proxy) },
  ]
}

/** A line for each check and one for its hint, wrapped at words. */
export function describeResults(results: readonly CheckResult[], columns: number): string[] {
  const names = Math.max(...results.map(({ name }) => name.length))
  const indent = 'attention  '.length + names + 2
  return results.flatMap(({ name, state, message, hint }) => {
    const text = [...wrapWords(message, columns - indent), ...(hint === undefined ? [] : hanging(hint, columns - indent))]
    return text.map((line, i) => (i === 0 ? `${state.padEnd(9)}  ${name.padEnd(names)}  ` : ' '.repeat(indent)) + line)
  })
}

function hanging(hint: string, width: number): string[] {
  return wrapWords(hint, width - 3).map((line, i) => (i === 0 ? `-> ${line}` : `   ${line}`))
}
