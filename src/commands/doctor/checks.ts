import { describeError } from '../../ui/describe-error.ts'
import { throwIfAborted } from '../../util/errors.ts'

/** `attention`: works, but may surprise. `problem`: something will fail. */
export type State = 'ok' | 'attention' | 'problem'

export interface Finding {
  state: State
  message: string
  /** What to do about it. */
  hint?: string
}

export interface Check {
  name: string
  /** Undefined where there is nothing to say, e.g. about Drive where it isn't used. What it throws is a problem. */
  run: (signal: AbortSignal) => Promise<Finding | undefined> | Finding | undefined
}

export interface Result extends Finding {
  name: string
}

export const ok = (message: string): Finding => ({ state: 'ok', message })
export const attention = (message: string, hint: string): Finding => ({ state: 'attention', message, hint })
export const problem = (message: string, hint: string): Finding => ({ state: 'problem', message, hint })

/** Runs the checks one after the other, each for at most `limitMs`. Throws `interrupted` only. */
export async function runChecks(checks: readonly Check[], limitMs: number, signal: AbortSignal): Promise<Result[]> {
  const results: Result[] = []
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

/** Ends after `limitMs` even where `run` doesn't heed its signal. */
async function within(limitMs: number, outer: AbortSignal, run: Check['run']): Promise<Finding | undefined> {
  const late = new AbortController()
  const signal = AbortSignal.any([outer, late.signal])
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<Finding>((resolve, reject) => {
    outer.addEventListener('abort', reject, { once: true, signal: late.signal })
    timer = setTimeout(() => {
      resolve(problem(`no answer within ${limitMs / 1000} s`, 'Check the network or the disk, and run it again.'))
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
