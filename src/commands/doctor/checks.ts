import { describeError } from '../../ui/describe-error.ts'
import { throwIfAborted } from '../../util/errors.ts'

/** `attention`: works, but perhaps not as expected. `problem`: something will fail. */
type State = 'ok' | 'attention' | 'problem'

export interface Finding {
  state: State
  message: string
  /** How to fix it. */
  hint?: string
}

export interface DoctorCheck {
  name: string
  /** Undefined when there is nothing to say, e.g. about Drive when it isn't used. An error counts as a problem. */
  run: (signal: AbortSignal) => Promise<Finding | undefined> | Finding | undefined
}

export interface CheckResult extends Finding {
  name: string
}

export const ok = (message: string): Finding => ({ state: 'ok', message })
export const attention = (message: string, hint: string): Finding => ({ state: 'attention', message, hint })
export const problem = (message: string, hint: string): Finding => ({ state: 'problem', message, hint })

/** Runs the checks one after the other, each for at most `limitMs`. Errors: only `interrupted`. */
export async function runChecks(checks: readonly DoctorCheck[], limitMs: number, signal: AbortSignal): Promise<CheckResult[]> {
  const results: CheckResult[] = []
  for (const { name, run } of checks) {
    throwIfAborted(signal)
    const finding = await within(limitMs, signal, run).catch((error: unknown) => {
      throwIfAborted(signal)
      const { message, hint } = describeError(error)
      return problem(message, hint)
    })
    if (finding !== undefined) results.push({ name, ...finding })
  }
  return results
}

/** Ends after `limitMs` even if `run` ignores its signal. */
async function within(limitMs: number, outer: AbortSignal, run: DoctorCheck['run']): Promise<Finding | undefined> {
  const late = new AbortController()
  const signal = AbortSignal.any([outer, late.signal])
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<Finding>((resolve, reject) => {
    outer.addEventListener('abort', reject, { once: true, signal: late.signal })
    timer = setTimeout(() => {
      resolve(problem(`no answer within ${limitMs / 1000} s`, 'Check the network or the disk, then run this again.'))
      late.abort()
    }, limitMs)
  })
  try {
    return await Promise.race([tooLate, (async () => run(signal))()])
  } finally {
    clearTimeout(timer)
    late.abort()
  }
}
